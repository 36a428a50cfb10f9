"""config.yaml, the request that a run was made by. The file may be anybody's."""

from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from errors import RequestError
from experiment.files import read_plain_file, write_whole
from experiment.request import Request

LARGEST = 1_000_000  # bytes; a real file has about a thousand
DEEPEST = 20  # levels of nesting


def write_request(file: Path, request: Request) -> None:
    """Writes `request` as YAML, whole or not at all."""
    text = yaml.dump(request.plain(), Dumper=NoAliases, sort_keys=False, allow_unicode=True)
    write_whole(file, text.encode())


def read_plain(file: Path) -> dict[str, Any]:
    """Returns the plain values in `file`.

    Raises:
        RequestError: there is no such file, or it holds no mapping that this project wrote.
    """
    try:
        text = read_plain_file(file, LARGEST).decode()
        check_yaml(text)
        plain = yaml.safe_load(text)
    except (FileNotFoundError, NotADirectoryError) as error:
        what = f"not a run directory (no {file.name}){instead_of(file.parent)}"
        raise RequestError(f"{file.parent}: {what}") from error
    except OSError as error:
        raise RequestError(f"{file}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RequestError(f"{file}: cannot be read ({type(error).__name__})") from error
    if not isinstance(plain, dict):
        raise RequestError(f"{file}: not a configuration")
    return plain


def instead_of(folder: Path) -> str:
    """Returns which run may have been meant by `folder`, which is none; nothing if none is near."""
    with suppress(OSError):
        if folder.is_file() and (folder.parent / "config.yaml").exists():
            return f"; did you mean {folder.parent}?"
        for below in ("*", "*/*") if folder.is_dir() else ():
            if count := sum(1 for _ in folder.glob(f"{below}/config.yaml")):
                return f"; {count} below it: {folder}/{below}"
        beside = [] if folder.exists() else [path.name for path in folder.parent.iterdir()]
        if near := get_close_matches(folder.name, beside, n=1):
            return f"; did you mean {folder.parent / near[0]}?"
    return ""


def check_yaml(text: str) -> None:
    """Raises YAMLError for aliases, a few of which make billions of values, and for deep nesting.

    This project writes neither.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > DEEPEST:
            raise yaml.YAMLError


class NoAliases(yaml.SafeDumper):
    """Writes a value twice that occurs twice, and no anchor, which `check_yaml` refuses."""

    def ignore_aliases(self, data: object) -> bool:
        return True
