"""The state of a training run."""

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from torch import nn

from evidence.training.alike import check_alike
from evidence.training.optimizer import FusedAdam
from inference.average import Average
from inference.keeper import Record, State
from inference.records import check_records


class DoesNotFit(ValueError):
    """A saved state is not one of this pair."""


@dataclass
class Training:
    """Everything that changes while a run trains.

    `state()` alone is enough to continue: it holds the best weights and the metrics, too.
    """

    model: nn.Module
    guide: nn.Module
    optimizer: FusedAdam
    average: Average | None = None
    epoch: int = 0
    best_elbo: float = -math.inf
    best_epoch: int = 0
    best_weights: State = field(default_factory=dict)
    seconds: float = 0.0
    compiled: bool | None = None
    processes: int | None = None
    metrics: list[Record] = field(default_factory=list)

    def weights(self) -> State:
        """Returns the parameters and buffers of model and guide, not copied."""
        return {"model": self.model.state_dict(), "guide": self.guide.state_dict()}

    def measured(self) -> AbstractContextManager[None]:
        """Inside, the pair has the weights that are measured and kept: averaged ones, if any."""
        return nullcontext() if self.average is None else self.average.in_place()

    def averages(self) -> State:
        """Returns the averaged weights, copied, under a name of their own; nothing without any."""
        if self.average is None:
            return {}
        with self.measured():
            return {"average": copy.deepcopy(self.weights())}

    def state(self) -> State:
        """Returns tensors and plain values that training continues from."""
        return {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "compiled": self.compiled,
            "processes": self.processes,
            "metrics": self.metrics,
            "optimiser": self.optimizer.get_state(),  # the key of all runs there are
            "best": self.best(),
            **self.averages(),
            **self.weights(),
        }

    def best(self) -> State:
        """Returns the best epoch so far, and its weights."""
        return {"epoch": self.best_epoch, "elbo": self.best_elbo, **self.best_weights}

    def restore(self, state: State) -> None:
        """Continues from `state()`; raises DoesNotFit if it is one of another pair."""
        try:
            best, plain = state["best"], ("epoch", "seconds", "compiled")
            if not isinstance(best, dict):
                raise TypeError("the best epoch is no dictionary")
            check_alike([0, 0.0, None], [state[name] for name in plain])
            check_alike([0, 0.0], [best["epoch"], best["elbo"]])
            check_alike(0, 0 if state["processes"] is None else state["processes"])
            check_records(state["metrics"])
            if not 0 <= best["epoch"] <= state["epoch"] or math.isnan(best["elbo"]):
                raise ValueError("epochs that cannot be")
            self._load(state.get("average", state))
            if self.average is not None:
                self.average.restart()
            self._load(state)
            self.optimizer.set_state(state["optimiser"])
            self.epoch, self.seconds = state["epoch"], state["seconds"]
            self.compiled, self.processes = state["compiled"], state["processes"]
            self.metrics = state["metrics"]
            self.best_elbo, self.best_epoch = best["elbo"], best["epoch"]
            self.best_weights = {key: best[key] for key in ("model", "guide")}
        except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise DoesNotFit("the saved state does not fit the pair") from error

    def _load(self, weights: State) -> None:
        self.model.load_state_dict(weights["model"])
        self.guide.load_state_dict(weights["guide"])

    def note_elbo(self, elbo: float) -> None:
        """Keeps the weights if this epoch's validation ELBO is the best so far."""
        if elbo > self.best_elbo:
            self.best_elbo, self.best_epoch = elbo, self.epoch
            self.best_weights = copy.deepcopy(self.weights())

    def is_out_of_patience(self, patience: int | None) -> bool:
        """Whether the validation ELBO has not improved for `patience` epochs."""
        return (
            patience is not None and self.epoch - self.best_epoch >= patience > 0 and self.epoch > 0
        )
