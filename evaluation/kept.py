"""Results of stages, kept in the run: the same command goes on from there, and a larger one, too.

A stage is a function of the weights, the data, some options, and torch's random numbers as they
stand when it begins. Whatever of these, or of the code, is another makes the stage be measured
anew. A kept result brings back the random numbers as they stood at its end, so that an evaluation
that goes on draws what it would have drawn without a break.
"""

import hashlib
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evaluation.bracket import SimulatedBracket
from evaluation.gap import GapParts
from evaluation.notes import Note
from evidence import Estimate, estimate
from evidence.annealing import Bracket
from evidence.calibration import Calibration
from evidence.imputation import Imputation
from evidence.lower import Terms
from evidence.reliability import Reliability
from evidence.usage import LatentUsage
from experiment import Run
from experiment.directory import of_split
from experiment.files import make_folder, read_plain_file, write_whole

LARGEST = 4 * 2**30  # bytes of the result of a stage
# All classes that a file may hold: none of them does anything when it is read.
CLASSES: list[Callable[..., object] | tuple[Callable[..., object], str]] = [
    *(Bracket, Calibration, Estimate, GapParts, Imputation, LatentUsage, Note, Reliability),
    *(SimulatedBracket, Terms),
    *(estimate.Annealed, estimate.Coupled, estimate.Enumeration, estimate.Exactly),
    *(estimate.Fitted, estimate.Quadrature),
]
# The rooms whose code a number depends on.
ROOMS = ("data", "evaluation", "evidence", "experiment", "guides", "models", "networks")


@dataclass(frozen=True)
class Found:
    """What a stage has found, and what is to be said of it."""

    result: Any
    notes: list[Note]


class Kept:
    """The results of stages of one run on one split, in its folder stages/."""

    def __init__(self, run: Run, split: str, again: bool) -> None:
        self.folder, self.again = run.path / of_split("stages", split), again
        pair = (run.model, run.guide)
        weights = [tensor for part in pair for tensor in part.state_dict().values()]
        self.base = digest(*_code(run), torch.__version__, run.request.digest, *weights)
        self.device = run.dataset.mean.device

    def key(self, *depends: object) -> str:
        """Returns what a stage depends on, torch's random numbers among it, as a hash."""
        return digest(self.base, str(self.device), *_random(self.device), *depends)

    def find(self, name: str, key: str) -> Found | None:
        """Returns the result of the stage `name`, if it was kept under `key`.

        Torch's random numbers then stand as they stood at the end of the stage.
        """
        if self.again:
            return None
        try:
            content = io.BytesIO(read_plain_file(self.folder / f"{name}.pt", LARGEST))
            with torch.serialization.safe_globals(CLASSES):
                there = torch.load(content, map_location=self.device, weights_only=True)
            if there["key"] != key:
                return None
            found = Found(there["result"], list(there["notes"]))
            _set_random(self.device, there["random"])
        except Exception:  # it is not there, is damaged, or is of another revision
            return None
        return found

    def keep(self, name: str, key: str, found: Found) -> None:
        """Keeps a result, whole or not at all; where nothing can be written, nothing is kept."""
        content = io.BytesIO()
        there = {"key": key, "result": found.result, "notes": found.notes}
        torch.save(there | {"random": _random(self.device)}, content)
        with suppress(OSError):
            make_folder(self.folder)
            write_whole(self.folder / f"{name}.pt", content.getvalue())


def digest(*values: object) -> str:
    """Returns a hash of tensors, and of plain values by what they look like."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, Tensor):
            found.update(repr((value.shape, value.dtype)).encode())
            found.update(
                value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
            )
        else:
            found.update(repr(value).encode() + b"\0")
    return found.hexdigest()


def _random(device: torch.device) -> list[Tensor]:
    """Returns the states of torch's generators."""
    on_gpu = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *on_gpu]


def _set_random(device: torch.device, states: list[Tensor]) -> None:
    torch.set_rng_state(states[0].cpu())
    for state in states[1:]:
        torch.cuda.set_rng_state(state.cpu(), device)


def _code(run: Run) -> Iterator[str]:
    """Yields hashes of the code that numbers depend on, that of the run's own components too."""
    yield _code_of_rooms()
    kinds = {type(part) for program in (run.model, run.guide) for part in program.modules()}
    for file in sorted({inspect.getfile(kind) for kind in kinds}):
        yield hashlib.sha256(Path(file).read_bytes()).hexdigest()


@cache
def _code_of_rooms() -> str:
    root = Path(__file__).resolve().parent.parent
    files = sorted(file for room in ROOMS for file in (root / room).rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
