"""Where a training run is kept: what the loop asks of a run directory, and a keeper of nothing."""

from typing import Any, Protocol, runtime_checkable

# What a checkpoint holds: tensors and plain values, nested.
State = dict[str, Any]
# One line of metrics: the epoch, the split, and what was measured on it.
Record = dict[str, Any]


@runtime_checkable
class Keeper(Protocol):
    """Keeps metrics and checkpoints; `experiment.directory.RunDirectory` does so on disk."""

    def saved_state(self) -> State | None:
        """Returns the last state that was saved, or None if there is none."""

    def write_metrics(self, records: list[Record]) -> None:
        """Replaces all metrics by `records`."""

    def append_metrics(self, records: list[Record]) -> None:
        """Adds `records` to the metrics."""

    def save(self, state: State, best: State) -> None:
        """Saves the state that training continues from, and the weights of the best epoch."""


class Nowhere:
    """Keeps nothing: the trained pair is all that is left of a run."""

    def saved_state(self) -> State | None:
        """Returns None: every run starts at the beginning."""
        return None

    def write_metrics(self, records: list[Record]) -> None:
        pass

    def append_metrics(self, records: list[Record]) -> None:
        pass

    def save(self, state: State, best: State) -> None:
        pass
