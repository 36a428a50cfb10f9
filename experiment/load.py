"""Open a finished run."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data import Dataset, Split
from errors import RequestError
from experiment.allocation import at_most, elements
from experiment.build import build_data, build_pair
from experiment.directory import PLACES, RunDirectory, digest

ROOM = 10**8
"""Numbers that building a pair may take, beyond four times those of its checkpoint: a width of 10⁹ is refused."""


@dataclass
class Run:
    """A trained pair with its data: `run.model`, `run.guide`, `run.data("test")`, `run.config`."""

    path: Path
    config: dict[str, Any]
    model: nn.Module
    guide: nn.Module
    dataset: Dataset
    epoch: int

    def data(self, split: str) -> Split:
        """`train`, `valid` or `test`; `run.data("test")[:10]` is the first ten data as floats."""
        return self.dataset(split)

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return RunDirectory(self.path).read_metrics()


def load_run(
    path: str | Path,
    checkpoint: str = "best",
    device: str = "auto",
    trust: bool = False,
    unfinished: bool = False,
    places: Mapping[str, str] | None = None,
) -> Run:
    """Rebuild the run in directory `path` with the weights of its best (or last) checkpoint, in evaluation mode.

    The data are looked for where they were in training, from any working directory; `places` says where they are now, by the
    name of the option: `{"root": "/mnt/datasets"}`.

    Nothing in the directory is executed: components come from this project's own packages, unless `trust`. Raises
    RequestError for a directory that is no run, a damaged checkpoint, or (unless `unfinished`) an unfinished run.
    """
    directory = RunDirectory(path)
    config = directory.read_config()
    for key in (
        "data",
        "model",
        "prior",
        "likelihood",
        "guide",
        "network",
        "objective",
        "train",
        "latent_dim",
    ):
        if key not in config:
            raise RequestError(
                f"{directory.config_file}: not the configuration of a run (no {key})"
            )
    if not directory.is_done and not unfinished:
        raise RequestError(
            f"{path}: unfinished, {_progress(directory, config)}; the same train.py command continues it"
        )
    state = directory.checkpoints.weights(checkpoint)
    chosen = pick_device(device)
    try:
        dataset = build_data(config | {"data": located(config, places or {})}, chosen, trust)
        with at_most(ROOM + 4 * elements(state)):
            model, guide = build_pair(config, dataset, trust)
    except RequestError as error:
        option = next((name for name in PLACES if str(error).startswith(f"data.{name}=")), None)
        raise (
            RequestError(f"{error}; where they are now: evaluate.py {path} data.{option}=…")
            if option
            else error
        ) from None
    except Exception as error:  # whatever a foreign configuration may bring about
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RequestError(f"{directory.config_file}: cannot be built ({what})") from error
    try:
        model.load_state_dict(state["model"])
        guide.load_state_dict(state["guide"])
        epoch = int(state["epoch"])
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(
            f"{directory.checkpoints.path(checkpoint)}: does not fit the configuration beside it"
        ) from error
    if state.get("config") not in (None, digest(config)):
        print(
            f"warning: {directory.config_file} is not what the checkpoint was trained with: edited, or damaged",
            file=sys.stderr,
        )
    model.to(chosen).eval()
    guide.to(chosen).eval()
    return Run(Path(path), config, model, guide, dataset, epoch)


def located(config: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """The options of the run's data: relative paths from the directory in which it was trained, those of `places` from here."""
    begin = Path(config.get("trained_in", "."))
    recorded = {
        name: config["data"][name] for name in PLACES if isinstance(config["data"].get(name), str)
    }
    there = {name: str(begin / Path(value).expanduser()) for name, value in recorded.items()}
    return (
        config["data"]
        | there
        | {name: str(Path(value).expanduser().absolute()) for name, value in places.items()}
    )


def _progress(directory: RunDirectory, config: dict[str, Any]) -> str:
    epochs = [record["epoch"] for record in directory.read_metrics()]
    return f"{max(epochs, default=0)} of {config['train']['epochs']} epochs done"


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises RequestError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise RequestError(
            "device=cuda: no CUDA device is available here; use device=cpu or device=auto"
        )
    if name not in ("cpu", "cuda"):
        raise RequestError(f"device={name}: choose from auto, cpu, cuda")
    return torch.device(name)
