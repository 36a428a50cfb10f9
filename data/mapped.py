"""Rows of a memory-mapped array, read from its file and never through the map.

Where a file is cut short meanwhile, touching a mapped page ends the process by a signal; a read
says so. Nor do rows that are read stay in this process's memory, as touched pages do.
"""

import errno
import math
import mmap
import os
import weakref

import numpy as np


class Mapped:
    """The file behind `values`, rows in C order of what `numpy.memmap` made.

    The file stays open: another one that takes its name is not read.
    """

    def __init__(self, values: np.ndarray, map_: mmap.mmap, name: str, offset: int) -> None:
        self.name, self.dtype, self.shape = name, values.dtype, values.shape
        in_map = values.ctypes.data - np.frombuffer(map_, np.uint8).ctypes.data
        self.offset = offset - offset % mmap.ALLOCATIONGRANULARITY + in_map
        self.handle = os.open(name, os.O_RDONLY)
        weakref.finalize(self, os.close, self.handle)
        self.state = self._state()

    @staticmethod
    def of(values: object) -> "Mapped | None":
        """Returns the file behind `values`, or None if they are not rows of one in C order."""
        if not isinstance(values, np.memmap) or not values.flags.c_contiguous or not values.size:
            return None
        map_ = vars(values).get("_mmap")  # None of what was computed from mapped values
        return map_ and Mapped(values, map_, str(values.filename), values.offset)

    def _state(self) -> tuple[int, int]:
        now = os.fstat(self.handle)
        return now.st_size, now.st_mtime_ns

    def read(self, start: int, stop: int) -> np.ndarray:
        """Returns a copy of rows `start` to `stop`.

        Raises:
            OSError: the file has been changed since it was opened.
        """
        stop = min(stop, self.shape[0])
        rows = np.empty((max(0, stop - start), *self.shape[1:]), self.dtype)
        left = rows.reshape(-1).view(np.uint8).data
        place = self.offset + start * self.dtype.itemsize * math.prod(self.shape[1:])
        while len(left):
            count = os.preadv(self.handle, [left], place)
            if not count or self._state() != self.state:
                raise OSError(errno.EIO, "was changed while it was read", self.name)
            left, place = left[count:], place + count
        return rows


def in_memory(values: np.ndarray) -> np.ndarray:
    """Returns the same values: those that a file is mapped for are read from it.

    Raises:
        OSError: the file has been changed since it was opened.
    """
    file = Mapped.of(values)
    return values if file is None else file.read(0, len(values))
