"""What was measured of a cell, when and by what: an entry of published.json. Needs no torch."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from errors import RequestError
from experiment.files import write_json
from published.cell import Cell
from report.published import Row

FILE = "published.json"


@dataclass(frozen=True)
class Record:
    """An entry; standard errors are None where one cannot be known.

    `protocol` is the fingerprint that the cell had then, and `commands` are those of then.
    """

    verdict: str
    because: str
    claimed: float
    margin: float
    ours: float
    se_images: float | None
    se_seeds: float | None
    num_examples: int
    num_seeds: int
    difference: float
    low: float
    high: float
    seconds: float
    date: str
    revision: str
    hardware: str
    protocol: str = ""
    commands: Sequence[str] = ()


def read_records(folder: Path) -> dict[str, Record]:
    """Returns what is recorded in `folder`, by the names of cells.

    Raises:
        RequestError: the file is none that this project wrote.
    """
    file = folder / FILE
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Record)}
        return {
            name: Record(**{key: value for key, value in one.items() if key in known})
            for name, one in found.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestError(f"{file}: damaged; remove it, and the cells measure again") from error


def write_records(folder: Path, records: Mapping[str, Record]) -> None:
    """Writes published.json: every record, with the commands that measured it."""
    write_json(folder / FILE, {name: asdict(record) for name, record in sorted(records.items())})


def row(cell: Cell, record: Record | None) -> Row:
    """Returns a cell as a table and a page show it.

    A record of another protocol, claim or margin is stale: its verdict does not count.
    """
    facts = {
        "claim": f"{cell.claim.what}; {cell.claim.by}, {cell.claim.where}",
        "read": f"{cell.claim.read}, {cell.claim.source}",
        **cell.protocol,
        "what differs": f"Shortened. {cell.differs}" if cell.shortened else cell.differs,
        "margin": f"{cell.margin:g}, fixed beforehand: {cell.why_margin}",
        "expected time": f"{cell.minutes:g} min on {cell.hardware}",
    }
    claimed, title = _with_error(cell.claim.value, cell.claim.se), cell.title
    if cell.shortened:
        title += " (shortened)"
    if record is None:
        return Row(cell.name, title, claimed, facts, cell.commands())
    stale = record.protocol != cell.fingerprint
    return Row(
        cell.name,
        title,
        claimed,
        facts,
        record.commands,
        ours=_number(record.ours),
        se_images=_number(record.se_images),
        se_seeds=_number(record.se_seeds),
        seeds=str(record.num_seeds),
        interval="" if stale else _interval(record),
        verdict="stale" if stale else record.verdict,
        because=_changed(record) if stale else record.because,
        found=cell.found,
        seconds=record.seconds,
        measured={"date": record.date, "revision": record.revision, "hardware": record.hardware},
        shortened=cell.shortened,
    )


def _changed(record: Record) -> str:
    return (
        "the protocol, the claim or the margin is another now than when this was measured (then: "
        f"{record.verdict}); measure it again"
    )


def _with_error(value: float, se: float) -> str:
    return f"{value:g} ± {se:g}" if se else f"{value:g}"


def _interval(record: Record) -> str:
    """Returns the difference with its interval; a single run has no error that is known."""
    if record.low == record.high:
        return f"{_number(record.difference)} (one run)"
    return f"{_number(record.difference)} [{_number(record.low)}, {_number(record.high)}]"


def _number(value: float | None) -> str:
    """Returns a number with digits enough for it to differ from its neighbours."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.{3 if abs(value) < 1 else 2}f}"
