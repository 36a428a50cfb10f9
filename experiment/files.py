"""Files of a run: written whole or not at all and through no link, read if they are plain files.

A run directory may be anybody's. A name in it that leads elsewhere is not written through, and a
pipe or a device in the place of a file is not read.
"""

import errno
import fcntl
import hashlib
import io
import json
import math
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def write_whole(path: Path, content: bytes) -> None:
    """Writes `content` so that `path` holds all of it or what it held, even after a power cut.

    A link in its place is replaced, not followed. Its folder may be a link: see `make_folder`.

    Raises:
        OSError: the file cannot be written; the error names it.
    """
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with open(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(0o666 & ~_mask())
        Path(beside).replace(path)
    except OSError as error:  # a failed write does not say of what
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        if beside is not None:
            with suppress(OSError):  # it is gone if all went well
                Path(beside).unlink()


def make_folder(folder: Path) -> Path:
    """Makes a folder inside a run directory, and returns it.

    The run directory itself may be a link that its user made; whatever is in it may not.

    Raises:
        OSError: the folder is a link, or cannot be made.
    """
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "is a link, and nothing is written through links", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def open_to_append(path: Path) -> BinaryIO:
    """Opens a plain file to add to its end, making it if it is not there.

    Raises:
        OSError: it cannot be written, or is a link or no plain file.
    """
    return os.fdopen(_plain(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW), "ab")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the file `path`, which it makes, alone for as long as the context lasts.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be written, or is a link or no plain file.
    """
    with open_to_append(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def open_plain(path: Path, largest: int) -> BinaryIO:
    """Opens a plain file of at most `largest` bytes for reading.

    Raises:
        OSError: it is not there, is too large, or is no plain file.
    """
    number = _plain(path, os.O_RDONLY)
    if os.fstat(number).st_size > largest:
        os.close(number)
        raise OSError(errno.EFBIG, f"has more than {largest:,} bytes", str(path))
    return os.fdopen(number, "rb")


def read_plain_file(path: Path, largest: int) -> bytes:
    """Returns what a plain file of at most `largest` bytes holds (see `open_plain`)."""
    with open_plain(path, largest) as file:
        return file.read(largest)


def _plain(path: Path, flags: int) -> int:
    """Returns a descriptor of a plain file. Opening does not wait, as it would for a pipe."""
    number = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "is not a plain file", str(path))
    return number


def _mask() -> int:
    """Returns the permissions that new files do not get. There is no way to read them alone."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def standard(value: object) -> object:
    """Returns `value` for JSON: null where there is a NaN or an infinity, which it has no word for.

    >>> standard({"mean": -3.5, "se": float("nan"), "box": [(0, float("inf"))]})
    {'mean': -3.5, 'se': None, 'box': [[0, None]]}
    """
    if isinstance(value, Mapping):
        return {key: standard(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [standard(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: object) -> None:
    """Writes `value` as indented JSON (see `standard`), whole or not at all."""
    text = json.dumps(standard(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(path, (text + "\n").encode(errors="backslashreplace"))


def write_arrays(path: Path, arrays: Mapping[str, "Tensor | np.ndarray"]) -> str:
    """Writes arrays as a compressed .npz, whole or not at all; returns the file's SHA-256."""
    import numpy as np

    buffer = io.BytesIO()
    plain = {
        name: values if isinstance(values, np.ndarray) else values.cpu().numpy()
        for name, values in arrays.items()
    }
    np.savez_compressed(buffer, **plain)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()
