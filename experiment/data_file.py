"""data.json, the hashes of the data that a run was trained on. The file may be anybody's."""

import json
from collections.abc import Mapping
from pathlib import Path

from errors import RequestError
from experiment.files import read_plain_file

LARGEST = 10_000  # bytes; a real file has some two hundred
Hashes = Mapping[str, str | None] | None


def read_hashes(file: Path) -> dict[str, str]:
    """Returns the hashes in `file` by what they are of.

    Raises:
        RequestError: the file holds something else.
    """
    try:
        found = json.loads(read_plain_file(file, LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"{file}: cannot be read ({type(error).__name__})") from error
    if not isinstance(found, dict) or not isinstance(found.get("values"), str):
        raise RequestError(f"{file}: not the hashes of a run's data")
    return {name: value for name, value in found.items() if isinstance(value, str)}
