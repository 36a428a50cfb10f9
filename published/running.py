"""Trains and evaluates the runs of a cell by the commands that a user would type."""

import importlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from errors import TrainingError
from published.cell import ROOT, Cell
from published.place import QUICK_EVALUATE, QUICK_TEMPERATURES, QUICK_TRAIN, Place
from published.reading import read
from published.verdict import Measured


def measured(cell: Cell, place: Place) -> tuple[Measured, float]:
    """Returns what a cell measures, and the seconds of its training and its evaluation.

    Raises:
        TrainingError: a command failed; it has said why.
    """
    folders: dict[str, list[Path]] = {}
    seconds = 0.0
    for run in cell.runs:
        for seed in cell.seeds:
            folder = place.run(cell.run_name(run, seed))
            folders.setdefault(run, []).append(folder)
            train(cell, run, seed, folder, place)
            seconds += trained_in(folder)
    started = time.perf_counter()
    if cell.evaluate:
        for run, several in folders.items():
            for folder in several:
                evaluate(cell, run, folder, place)
    found = probed(cell, place) if cell.measure.probe else read(cell.measure, folders)
    return found, seconds + time.perf_counter() - started


def probed(cell: Cell, place: Place) -> Measured:
    """Returns what a cell measures that is no quantity of a run.

    Raises:
        TrainingError: its data are not where they should be.
    """
    try:
        return probe_of(cell)(place)
    except ValueError as error:
        if not str(error).startswith("root="):
            raise
        raise TrainingError(f"data.{error}") from error


def probe_of(cell: Cell) -> Callable[[Place], Measured]:
    """Returns the function that measures a cell which is no quantity of a run."""
    probe = importlib.import_module(f"published.probes.{cell.measure.probe}")
    measure: Callable[[Place], Measured] = probe.measure
    return measure


def train(cell: Cell, run: str, seed: int, folder: Path, place: Place) -> None:
    """Trains a run, or goes on with it; does nothing for one that is done."""
    words = [*cell.train_words(run, seed), f"run_dir={folder}", *place_of_data(cell, run, place)]
    if place.quick:
        words += [*QUICK_TRAIN, *shlex.split(cell.quick.get(run, ""))]
    command("train.py", *words)


def evaluate(cell: Cell, run: str, folder: Path, place: Place) -> None:
    """Evaluates a run; what an earlier evaluation has measured is not measured again."""
    words = [*shlex.split(cell.evaluate), *place_of_data(cell, run, place)]
    if place.quick:
        words += QUICK_EVALUATE
        words += ["--ais", QUICK_TEMPERATURES] if "--ais" in words else []
    command("evaluate.py", str(folder), *words)


def place_of_data(cell: Cell, run: str, place: Place) -> list[str]:
    """Returns what says where the images of a run are, which may have moved since it trained."""
    known = ("data=mnist", "data=fashion_mnist")
    of_images = any(word in known for word in shlex.split(cell.runs[run]))
    return [f"data.root={place.data_root}"] if of_images else []


def command(script: str, *words: str) -> None:
    """Runs a command of this project; what it prints goes to stderr.

    Raises:
        TrainingError: it failed, and has said why.
    """
    status = subprocess.run(
        [sys.executable, str(ROOT / script), *words], stdout=sys.stderr
    ).returncode
    if status:
        raise TrainingError(f"python {script} {shlex.join(words)}: ended with status {status}")


def trained_in(folder: Path) -> float:
    """Returns the seconds that the epochs of a run took, whenever that was."""
    last = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    return float(json.loads(last)["seconds"])


def gpus_of(cell: Cell, place: Place) -> list[str]:
    """Returns the names of the GPUs that runs of a cell were trained on, here or elsewhere."""
    folders = (place.run(cell.run_name(run, seed)) for run in cell.runs for seed in cell.seeds)
    files = (folder / "environment.json" for folder in folders)
    devices = {str(json.loads(file.read_text())["device"]) for file in files if file.exists()}
    return sorted(device for device in devices if not device.startswith("cpu"))
