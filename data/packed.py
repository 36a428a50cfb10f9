"""torchvision's data sets as they are downloaded: packed, with no unpacked files beside them."""

import gzip
import math
import struct
import tarfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

LARGEST = 10**9  # bytes of one file of images; EMNIST's largest has 88 million
UNSIGNED_BYTE = 8  # the code of the only type that these data sets have


def read_idx(folder: Path, stem: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns images (N, H, W) and labels (N,) of the MNIST family, if a file is only there packed.

    Raises:
        ValueError: a file is damaged.
    """
    names = f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte"
    found = [_find(folder, name) for name in names]
    if None in found or all(file and file.suffix != ".gz" for file in found):
        return None  # torchvision reads the files, or says what is missing
    images, labels = (_read_idx(file) for file in found if file)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(f"{names[0]} and {names[1]} do not belong together")
    return images, labels


def _find(folder: Path, name: str) -> Path | None:
    places = folder / name, folder / f"{name}.gz", folder / "gzip" / f"{name}.gz"
    return next((place for place in places if place.is_file()), None)


def _read_idx(file: Path) -> np.ndarray:
    try:
        with gzip.open(file) if file.suffix == ".gz" else open(file, "rb") as stream:
            zero, kind, axes = struct.unpack(">HBB", stream.read(4))
            if (zero, kind) != (0, UNSIGNED_BYTE) or axes not in (1, 3):
                raise ValueError
            shape = struct.unpack(f">{axes}I", stream.read(4 * axes))
            if math.prod(shape) > LARGEST:
                raise ValueError
            content = stream.read(math.prod(shape) + 1)
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"{file} is damaged") from error
    if len(content) != math.prod(shape):
        raise ValueError(f"{file} is damaged")
    return np.frombuffer(content, np.uint8).reshape(shape)


def unpacked(archive: Path, folder: str, md5: str) -> "TemporaryDirectory[str] | None":
    """Returns a temporary folder with what `archive` holds, if there is no `folder` beside it.

    Raises:
        ValueError: the archive is not the published one.
    """
    from torchvision.datasets.utils import check_integrity

    if (archive.parent / folder).exists() or not archive.is_file():
        return None
    if not check_integrity(str(archive), md5):
        raise ValueError(f"{archive} is damaged")
    place = TemporaryDirectory()
    with tarfile.open(archive) as members:
        members.extractall(place.name, filter="data")
    return place
