"""Arrays that are made once and kept in a cache: written whole, checked when they are opened."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def open_kept(file: Path, shape: tuple[int, ...]) -> np.memmap | None:
    """Returns the bytes kept in `file`, mapped read-only, or None if it is not there or not whole.

    `shape` is the expected one, or the beginning of it.
    """
    try:
        if not file.is_file() or file.is_symlink():
            return None
        values = np.lib.format.open_memmap(file, mode="r")
    except (OSError, ValueError, EOFError, SyntaxError):  # what a power cut leaves behind
        return None
    good = values.dtype == np.uint8 and values.shape[: len(shape)] == shape
    # A file that is longer or shorter than its header says was not written by `keep`.
    return values if good and values.offset + values.nbytes == file.stat().st_size else None


def keep(file: Path, shape: tuple[int, ...], rows: Iterator[np.ndarray]) -> np.memmap:
    """Writes `rows`, bytes of an array of `shape`, to `file`, whole or not at all; returns them.

    They are written and not mapped: on a full disk a mapped page ends the process by a signal.

    Raises:
        OSError: the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    beside = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for values in rows:
                stream.write(np.ascontiguousarray(values).data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    kept = open_kept(file, shape)
    if kept is None:
        raise OSError(errno.EIO, "does not hold what was written", str(file))
    return kept
