"""Open a finished run."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from data import Dataset
from errors import RequestError, printable
from experiment.allocation import at_most, elements
from experiment.build import build_data, build_objective, build_pair
from experiment.checkpoints import State
from experiment.components import Trust, importable
from experiment.device import pick_device
from experiment.directory import EDITED, RunDirectory
from experiment.recipes.base import Pair
from experiment.request import PLACES, Request
from experiment.run import Run

# Numbers that building a pair may take beyond four times those of its checkpoint: this refuses a
# width of 10⁹.
ROOM = 10**8


def load_run(
    path: str | Path,
    checkpoint: str = "best",
    device: str = "auto",
    trust: bool | str | Path = False,
    places: Mapping[str, str] | None = None,
) -> Run:
    """Rebuilds the run in the directory `path`, in evaluation mode.

    Nothing in the directory is executed: it names choices of this project, and nothing else unless
    `trust`.

    Arguments:
        path: A run directory that train.py has finished.
        checkpoint: The weights to load, `best` or `last`.
        device: `auto`, `cpu` or `cuda`.
        trust: Whether components from outside of this project may be imported, or the folder that
            those lie in that may be.
        places: Where the data are now, by the name of the option: `{"root": "/mnt/datasets"}`.
            Without it they are looked for where they were in training, from any working directory.

    Raises:
        RequestError: the directory is no run or an unfinished one, a checkpoint is damaged, or the
            data are not there, or not those that the run was trained on.

    >>> load_run("runs/demo").config["latent_dim"]
    2
    """
    directory = RunDirectory(path)
    request = directory.read_request()
    if not directory.is_done:
        done = _progress(directory, request)
        raise RequestError(f"{path}: unfinished, {done}; the same train.py command continues it")
    file = directory.checkpoints.path(checkpoint)
    state = directory.checkpoints.weights(checkpoint)
    chosen = pick_device(device)
    trusted = trust if isinstance(trust, bool) else importable(trust)
    dataset, pair = _built(directory, request, state, chosen, trusted, places or {})
    directory.check_data(dataset.fingerprint)
    if dataset.fingerprint is not None and not directory.data_file.exists():
        what = "not there; whether these are the data that it was trained on cannot be checked"
        print(printable(f"note: {directory.data_file}: {what}"), file=sys.stderr)
    ends = [infinities(program) for program in pair]
    try:
        pair.model.load_state_dict(state["model"])
        pair.guide.load_state_dict(state["guide"])
        epoch = int(state["epoch"])
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(f"{file}: does not fit the configuration beside it") from error
    for name, program, before in zip(("model", "guide"), pair, ends, strict=True):
        if (broken := not_finite(program, before)) is not None:
            raise RequestError(f"{file}: {broken} of the {name} is NaN or infinite")
    trained_by = request.digest
    if not directory.made_by(state):
        print(printable(f"warning: {directory.config_file} {EDITED}"), file=sys.stderr)
        trained_by = str(state["config"])
    pair.model.to(chosen).eval()
    pair.guide.to(chosen).eval()
    return Run(Path(path), request, pair.model, pair.guide, dataset, epoch, trained_by)


def infinities(program: nn.Module) -> dict[str, Tensor]:
    """Returns where the buffers are infinite of a program as it is built: the ends of a scale."""
    return {name: buffer.isinf() for name, buffer in program.named_buffers()}


def not_finite(program: nn.Module, ends: Mapping[str, Tensor]) -> str | None:
    """Returns the name of a parameter or buffer that is not finite, or None if there is none.

    Buffers may be infinite in the places of `ends`.
    """
    weights = ((n, p) for n, p in program.named_parameters() if not p.isfinite().all())
    others = ((n, b) for n, b in program.named_buffers() if not (b.isfinite() | ends[n]).all())
    return next((name for name, _ in (*weights, *others)), None)


def _built(
    directory: RunDirectory,
    request: Request,
    state: State,
    device: torch.device,
    trust: Trust,
    places: Mapping[str, str],
) -> tuple[Dataset, Pair]:
    """Returns the data and the pair of a request that may be anybody's."""
    try:
        build_objective(request, trust)  # it is not needed, and may be anybody's like the rest
        dataset = build_data(located(request, places), device, trust)
        with at_most(ROOM + 4 * elements(state)):
            return dataset, build_pair(request, dataset, trust)
    except RequestError as error:
        option = next((name for name in PLACES if str(error).startswith(f"data.{name}=")), None)
        if option is None:
            raise
        where = (
            f"where they are now: evaluate.py {shlex.quote(str(directory.path))} data.{option}=…"
        )
        raise RequestError(f"{error}; {where}") from None
    except Exception as error:  # whatever a foreign configuration may bring about
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RequestError(f"{directory.config_file}: cannot be built ({what})") from error


def located(request: Request, places: Mapping[str, str]) -> Request:
    """Returns `request` with whole paths; recorded ones start from where the run was trained.

    Those of `places` start from here. What a run's file asks for beside data to read (a download, a
    folder to write to) is left out.
    """
    begin = Path(request.trained_in)
    there = {
        name: str(begin / Path(value).expanduser())
        for name in PLACES
        if isinstance(value := request.data.options.get(name), str)
    }
    here = {name: str(Path(value).expanduser().absolute()) for name, value in places.items()}
    # A run's file does not make this command fetch anything, nor write where it says.
    own = {"download": False, "cache": None}
    kept = {name: value for name, value in own.items() if name in request.data.options}
    return replace(request, data=request.data.having(**there | kept | here))


def _progress(directory: RunDirectory, request: Request) -> str:
    epochs = [int(record["epoch"]) for record in directory.read_metrics()]
    return f"{max(epochs, default=0)} of {request.train.epochs} epochs done"
