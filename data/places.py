"""Whether a path leads to what it should: a plain file, or a folder. Needs no torch."""

import os
import stat
from pathlib import Path

DENIED = " (Permission denied)"


def no_name(path: Path) -> str | None:
    """Returns why nothing can be at `path`, in words; None if there is something, or may be."""
    return _look(path)[1]


def no_file(path: Path) -> str | None:
    """Returns why no file is at `path` that can be read, in words; None if one is.

    Opening a pipe would wait for ever, and a device may never end.
    """
    mode, why = _look(path)
    if mode is None:
        return why or "no such file"
    if stat.S_ISDIR(mode):
        return "is a folder, not a file"
    if not stat.S_ISREG(mode):
        return "is not a plain file"
    return None if os.access(path.expanduser(), os.R_OK) else f"may not be read{DENIED}"


def no_output(path: Path) -> str | None:
    """Returns why no file is to be written to `path`, in words: something else is there."""
    mode, why = _look(path)
    return why if mode is None else no_file(path)


def no_folder(path: Path) -> str | None:
    """Returns why no folder is at `path` that can be read, in words; None if one is."""
    mode, why = _look(path)
    if mode is None:
        return why or "no such folder"
    if not stat.S_ISDIR(mode):
        return "is not a folder"
    allowed = os.access(path.expanduser(), os.R_OK | os.X_OK)
    return None if allowed else f"may not be read{DENIED}"


def no_output_folder(path: Path) -> str | None:
    """Returns why no folder is to be made or used at `path`, in words; None if it is."""
    mode, why = _look(path)
    return why if mode is None else no_folder(path)


def _look(path: Path) -> tuple[int | None, str | None]:
    """Returns the mode of what is at `path`, if anything is; or why nothing can be there."""
    try:
        return path.expanduser().stat().st_mode, None
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as error:  # a name that is too long, a loop of links, a folder that is closed
        return None, f"cannot be looked up ({error.strerror})"
    except (RuntimeError, ValueError) as error:  # ~nobody, or a zero byte
        return None, f"cannot be looked up ({error})"
