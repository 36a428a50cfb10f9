"""The checkpoints of a run, and which good one stands in for one that is damaged.

checkpoint-last.pt      all that training goes on from: weights, optimizer, metrics, the best weights so far
checkpoint-previous.pt  the one before, while a run trains
checkpoint-best.pt      the weights of the best epoch, for those who evaluate
"""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

from errors import RequestError
from experiment.files import write_whole

State = dict[str, Any]
"""Tensors and plain values."""


class Checkpoints:
    """Those in the directory `folder`. Reading one never runs code from it: tensors and plain values, or nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, which: str) -> Path:
        """Of `last`, `previous` or `best`."""
        return self.folder / f"checkpoint-{which}.pt"

    @property
    def can_continue(self) -> bool:
        """Whether there is something to go on from."""
        return any(self.path(which).exists() for which in ("last", "previous"))

    def save(self, state: State, best: State) -> None:
        """Keep `state` as the last checkpoint, the one before it as the previous, and the weights of the best epoch."""
        self._write("best", best)
        if self.path("last").exists():
            self.path("last").replace(self.path("previous"))
        self._write("last", state)

    def _write(self, which: str, state: State) -> None:
        import torch

        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.path(which), buffer.getvalue())

    def tidy(self) -> None:
        """Remove the halves of files that a process left which was killed while it wrote."""
        for half in self.folder.glob(".checkpoint-*.tmp"):
            half.unlink()

    def drop_previous(self) -> None:
        """A finished run is not continued."""
        self.path("previous").unlink(missing_ok=True)

    def state(self) -> State | None:
        """What training goes on from: the last checkpoint, or else the one before it, with a line on stderr that says so;
        None where there is neither. Raises RequestError, and leaves all as it is, where every one is damaged."""
        damaged: list[str] = []
        for which in ("last", "previous"):
            if not self.path(which).exists():
                continue
            try:
                state = self.load(which)
            except RequestError as error:
                damaged.append(str(error))
                continue
            for what in damaged:
                print(
                    f"warning: {what}; going on from {self._name(which, state)}, with the same result",
                    file=sys.stderr,
                )
            self.path(which).replace(
                self.path("last")
            )  # so that what is saved next has this one before it
            return state
        if damaged:
            best = self.if_good("best")
            good = f"; {self._name('best', best)} is good" if best else ""
            raise RequestError(
                f"{'; '.join(damaged)}{good}; remove {self.folder} to train again, with the same result"
            )
        return None

    def weights(self, which: str) -> State:
        """`model`, `guide` and `epoch` of the best or the last checkpoint. The last one holds the best weights, too: should
        checkpoint-best.pt be damaged, they come from there, with a line on stderr that says so."""
        try:
            return self.load(which)
        except RequestError as error:
            other = "last" if which == "best" else "best"
            state = self.if_good(other)
            if state is None:
                raise
            if isinstance(state.get("best"), dict):
                print(
                    f"warning: {error}; {self.path(other)} holds the same weights: using those",
                    file=sys.stderr,
                )
                return state["best"]
            raise RequestError(
                f"{error}; {self._name(other, state)} is good: --checkpoint {other}"
            ) from error

    def load(self, which: str) -> State:
        """Read a checkpoint onto the CPU. Raises RequestError for one that is missing or damaged."""
        import torch

        path = self.path(which)
        if not path.exists():
            raise RequestError(f"{path}: no such checkpoint")
        try:
            verify(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(state, dict):
                raise TypeError
        except Exception as error:  # whatever a damaged or hostile file may bring about
            raise RequestError(
                f"{path}: damaged or not a checkpoint of tensors ({type(error).__name__})"
            ) from error
        return state

    def if_good(self, which: str) -> State | None:
        """That checkpoint if it can be read."""
        try:
            return self.load(which)
        except RequestError:
            return None

    def _name(self, which: str, state: State) -> str:
        return f"{self.path(which)} (epoch {state.get('epoch')})"


def verify(path: Path) -> None:
    """Raise for a checkpoint with flipped bits (torch does not look at the checksums), or with packed members, which
    torch never writes and which can unpack to any size."""
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise zipfile.BadZipFile("compressed members")
        if archive.testzip() is not None:
            raise zipfile.BadZipFile("wrong checksum")
