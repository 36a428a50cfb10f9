"""The checkpoints of a run, and which good one stands in for one that is damaged.

checkpoint-last.pt      all that training goes on from: weights, optimizer, metrics, best weights
checkpoint-previous.pt  the one before, while a run trains
checkpoint-best.pt      the weights of the best epoch, for those who evaluate
"""

import io
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from errors import RequestError, printable
from experiment.files import open_plain, write_whole

State = dict[str, Any]  # tensors and plain values

LARGEST = 2**36  # bytes of a checkpoint


class Checkpoints:
    """The checkpoints in `folder`. Reading one runs no code from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, which: str) -> Path:
        """Returns the path of the checkpoint `last`, `previous` or `best`."""
        return self.folder / f"checkpoint-{which}.pt"

    @property
    def can_continue(self) -> bool:
        """Whether there is something to go on from."""
        return any(self.path(which).exists() for which in ("last", "previous"))

    def save(self, state: State, best: State) -> None:
        """Keeps `state` as the last checkpoint, the last as the previous one, and `best`."""
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
        """Removes the unfinished files of a process that was killed while it wrote."""
        for unfinished in self.folder.glob(".checkpoint-*.tmp"):
            with suppress(OSError):  # it is a folder, which no process of ours left
                unfinished.unlink()

    def drop_previous(self) -> None:
        """Removes what only continues a run: a finished run is not continued."""
        self.path("previous").unlink(missing_ok=True)

    def state(self) -> State | None:
        """Returns what training goes on from, or None where there is nothing.

        That is the last checkpoint, or else the one before it, with a line on stderr that says so.

        Raises:
            RequestError: every checkpoint is damaged. All files stay as they are.
        """
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
                instead = f"going on from {self._name(which, state)}, with the same result"
                print(printable(f"warning: {what}; {instead}"), file=sys.stderr)
            # What is saved next then has this one before it.
            self.path(which).replace(self.path("last"))
            return state
        if damaged:
            best = self.if_good("best")
            good = f"; {self._name('best', best)} is good" if best else ""
            again = f"remove {self.folder} to train again, with the same result"
            raise RequestError(f"{'; '.join(damaged)}{good}; {again}")
        return None

    def weights(self, which: str) -> State:
        """Returns `model`, `guide` and `epoch` of the best or the last checkpoint.

        A run that averages its weights has its averages there, in the last one, too.

        The last one holds the best weights, too: if checkpoint-best.pt is damaged, they come from
        there, with a line on stderr that says so.

        Raises:
            RequestError: the checkpoint is missing or damaged, and no other one stands in for it.
        """
        try:
            state = self.load(which)
            averages = state.get("average")
            return {**state, **averages} if isinstance(averages, dict) else state
        except RequestError as error:
            other = "last" if which == "best" else "best"
            instead_of_it = self.if_good(other)
            if instead_of_it is None:
                raise
            if isinstance(best := instead_of_it.get("best"), dict):
                instead = f"{self.path(other)} holds the same weights: using those"
                print(printable(f"warning: {error}; {instead}"), file=sys.stderr)
                return best
            good = f"{self._name(other, instead_of_it)} is good: --checkpoint {other}"
            raise RequestError(f"{error}; {good}") from error

    def load(self, which: str) -> State:
        """Returns a checkpoint, on the CPU.

        Raises:
            RequestError: it is missing, or damaged.
        """
        import torch

        path = self.path(which)
        if not path.exists():
            raise RequestError(f"{path}: no such checkpoint")
        try:
            with open_plain(path, LARGEST) as file:
                verify(file)
                file.seek(0)
                state = torch.load(file, map_location="cpu", weights_only=True)
            if not isinstance(state, dict):
                raise TypeError
        except Exception as error:  # whatever a damaged or hostile file may bring about
            kind = type(error).__name__
            raise RequestError(
                f"{path}: damaged or not a checkpoint of tensors ({kind})"
            ) from error
        return state

    def if_good(self, which: str) -> State | None:
        """Returns a checkpoint, or None if it cannot be read."""
        try:
            return self.load(which)
        except RequestError:
            return None

    def _name(self, which: str, state: State) -> str:
        return f"{self.path(which)} (epoch {state.get('epoch')})"


def verify(file: BinaryIO) -> None:
    """Raises BadZipFile for a checkpoint with flipped bits, for which torch does not look.

    Packed members, which torch never writes, and which can unpack to any size, are refused, too,
    and so are members that lie upon each other.
    """
    size = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > size:
            raise zipfile.BadZipFile("members upon each other")
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise zipfile.BadZipFile("compressed members")
        if archive.testzip() is not None:
            raise zipfile.BadZipFile("wrong checksum")
