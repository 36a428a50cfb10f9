"""The arrays of an .npz that may be anybody's: their number and their sizes are bounded."""

import io
import zipfile
import zlib
from collections.abc import Container, Iterator

import numpy as np
from jaxtyping import Float64
from numpy.lib import format as npy

# Bytes of the arrays of an evaluation, of which there are about ten, together.
LARGEST_ARRAYS = 2**30
MOST_ARRAYS = 50

# What a damaged archive raises when it is read.
DAMAGED = (
    *(ValueError, OSError, EOFError, KeyError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)

Values = Float64[np.ndarray, " data"]


def read_arrays(
    content: bytes, num_examples: int, names: Container[str]
) -> Iterator[tuple[str, Values]]:
    """Yields the arrays of an .npz with their names.

    Headers are read first: one that announces anything else takes no memory.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > MOST_ARRAYS or len(members) * 8 * num_examples > LARGEST_ARRAYS:
            raise ValueError(f"{len(members)} arrays of {num_examples:,} numbers are too many")
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{member.filename} is packed in another way")
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as stream:
                if npy.read_magic(stream) != (1, 0):
                    raise ValueError(f"{member.filename} is in another format")
                shape, _, kind = npy.read_array_header_1_0(stream)
                if kind == np.float64 and shape == (num_examples,) and name in names:
                    values = stream.read(8 * num_examples)
                    yield name, np.frombuffer(values, np.float64, num_examples)
