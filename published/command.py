"""Measures cells one after the other; every result is on disk before the next cell begins."""

import datetime
import os
import platform
import sys
from collections.abc import Mapping, Sequence

import torch

from errors import TrainingError, printable
from experiment.environment import git_revision
from experiment.files import make_folder
from published.cell import Cell
from published.place import Place
from published.record import Record, read_records, row, write_records
from published.running import gpus_of, measured
from published.verdict import judged
from report.page.published import write_page
from report.published import markdown, table

PAGE = "index.html"


def reproduce(chosen: Sequence[Cell], cells: Mapping[str, Cell], place: Place, form: str) -> int:
    """Measures the `chosen` cells, and prints and writes what all `cells` have.

    Returns the exit status: 1 if a command failed, after the other cells.
    """
    make_folder(place.folder)
    records = read_records(place.folder)
    status = 0
    for number, cell in enumerate(chosen, start=1):
        print(f"cell {number} of {len(chosen)}: {cell.name}", file=sys.stderr)
        try:
            found = recorded(cell, place, records.get(cell.name))
        except TrainingError as error:
            print(printable(f"error: {cell.name}: {error}"), file=sys.stderr)
            status = 1
            continue
        # Another process may have measured other cells meanwhile.
        records = {**read_records(place.folder), cell.name: found}
        write_records(place.folder, records)
        write_page([row(one, records.get(one.name)) for one in cells.values()], place.folder / PAGE)
    show = markdown if form == "markdown" else table
    print(show([row(cell, records.get(cell.name)) for cell in chosen]))
    if place.quick:
        print("\nThe protocols are shortened (--quick): no verdict here is one.")
    print(f"\nkept in {place.folder}/published.json; {place.folder / PAGE} has all cells")
    return status


def recorded(cell: Cell, place: Place, before: Record | None) -> Record:
    """Returns what was measured now. Stages that are kept from before keep their time, too."""
    revision = git_revision() or ""  # of the code that is about to run
    ours, seconds = measured(cell, place)
    found, verdict = judged(cell, ours)
    protocol = cell.fingerprint
    if before is not None and (before.ours, before.protocol) == (ours.mean, protocol):
        seconds = max(seconds, before.seconds)
    return Record(
        verdict.word,
        verdict.because,
        cell.claim.value,
        cell.margin,
        ours.mean,
        None if ours.images is None else ours.images.variance**0.5,
        sum(part.variance for part in ours.seeds) ** 0.5 if ours.seeds else None,
        ours.num_examples,
        ours.num_seeds,
        *found,
        seconds,
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        revision,
        _hardware(gpus_of(cell, place)),
        protocol,
        cell.commands(),
    )


def _hardware(trained_on: Sequence[str]) -> str:
    """Returns what measured a cell, and the GPUs that its runs were trained on, if any."""
    cores, threads = len(os.sched_getaffinity(0)), torch.get_num_threads()
    used = "" if threads == cores else f", {threads} used"
    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    trained = f"; trained on {', '.join(trained_on)}" if trained_on else ""
    return f"{gpu}{cores} cores{used}, {platform.machine()}{trained}"
