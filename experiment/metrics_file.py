"""metrics.jsonl: what every epoch has measured, a line of JSON each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from errors import RequestError
from experiment.files import open_to_append, read_plain_file, standard, write_whole

Record = dict[str, Any]  # epoch, split, and quantities by name, nats per datum

LARGEST = 1e30  # nats; a NaN is not below it
LARGEST_FILE = 500_000_000  # bytes; an epoch takes about 500


def append_records(file: Path, records: Sequence[Record]) -> None:
    """Adds a line for every record, flushed to the operating system."""
    try:
        with open_to_append(file) as opened:
            opened.write(_lines(records).encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error


def write_records(file: Path, records: Sequence[Record]) -> None:
    """Makes the file hold these records and no others."""
    if records or file.exists():
        write_whole(file, _lines(records).encode())


def read_records(file: Path) -> list[Record]:
    """Returns the records of all whole lines; a kill may have cut the last one.

    Raises:
        RequestError: the file cannot be read, or is no plain file.
    """
    try:
        text = read_plain_file(file, LARGEST_FILE).decode(errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RequestError(f"{file}: {error.strerror}") from error
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if is_record(record):
            records.append(record)
    return records


def is_record(line: object) -> bool:
    """Whether a line has at least what the contract says, and numbers for numbers."""
    if not isinstance(line, dict) or type(line.get("epoch")) is not int:
        return False
    if str(line.get("split")) not in ("train", "valid"):
        return False
    values = [line.get(name) for name in ("elbo", "reconstruction", "kl")]
    return all(isinstance(value, int | float) and abs(value) < LARGEST for value in values)


def _lines(records: Sequence[Record]) -> str:
    return "".join(json.dumps(standard(record), allow_nan=False) + "\n" for record in records)
