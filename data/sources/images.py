"""A folder of image files, decoded once and kept beside as one array."""

import hashlib
import os
from pathlib import Path

import numpy as np

from data.raw import RawData, RawSplit, split_off
from errors import RequestError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
SPLITS = ("train", "valid", "test")


def load(
    path: str | None, size: int | None = None, grey: bool = False, cache: str | None = None
) -> RawData:
    """The images below `path`, 256 levels: `(N, H, W)` if `grey`, else `(N, 3, H, W)`.

    With folders train, valid and test below `path`, these are the splits; otherwise all files, in the order of a hash of
    their names (which does not follow the alphabet, and does not change when others are added), of which the last tenth
    is the test split and the tenth before it validation. `size` cuts the largest centred square out of every image and
    scales it to size×size; without it all images must have one shape. `cache` is the folder for the decoded array
    (null: the user's cache folder); it is made anew when a file changes.
    """
    if path is None:
        raise RequestError("data.path is not given: data=images needs data.path=FOLDER")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise RequestError(f"data.path={path}: no such folder")
    if size is not None and not 1 <= size <= 4096:
        raise RequestError(
            f"data.size={size}: must be from 1 to 4096, or null for images of one shape"
        )
    place = _cache_folder(cache)
    if all((folder / part).is_dir() for part in SPLITS):
        train, valid, test = [
            RawSplit(_decoded(folder / part, size, grey, place)) for part in SPLITS
        ]
        return RawData(train, valid, test, levels=256)
    values = _decoded(folder, size, grey, place)
    if len(values) < 10:
        raise RequestError(
            f"data.path={path}: {len(values)} images are too few to split; at least 10"
        )
    tenth = len(values) // 10
    rest, last = split_off(RawSplit(values), tenth)
    return RawData(*split_off(rest, tenth), last, levels=256)


def _cache_folder(cache: str | None) -> Path:
    if cache is not None:
        return Path(cache).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vae-images"


def _decoded(folder: Path, size: int | None, grey: bool, cache: Path) -> np.ndarray:
    """All images below `folder` as one memory-mapped uint8 array, from the cache if no file has changed since."""
    files = [
        file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
    ]
    if not files:
        raise RequestError(f"data.path={folder}: no images; looked for {', '.join(SUFFIXES)}")
    files.sort(key=lambda file: hashlib.sha256(str(file.relative_to(folder)).encode()).digest())
    stats = [
        (str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
    ]
    digest = hashlib.sha256(repr((str(folder.resolve()), size, grey, stats)).encode()).hexdigest()[
        :16
    ]
    kept = cache / f"{digest}.npy"
    if not kept.exists():
        _decode(files, size, grey, kept)
    return np.load(kept, mmap_mode="r", allow_pickle=False)


def _decode(files: list[Path], size: int | None, grey: bool, kept: Path) -> None:
    """Write the array whole or not at all, one image in memory at a time."""
    first = _read(files[0], size, grey)
    beside = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(
            beside, mode="w+", dtype=np.uint8, shape=(len(files), *first.shape)
        )
        for row, file in enumerate(files):
            image = _read(file, size, grey)
            if image.shape != first.shape:
                raise RequestError(
                    f"data.path: {file} has shape {image.shape} and {files[0]} {first.shape}; data.size=N makes them N×N"
                )
            array[row] = image
        array.flush()
        beside.replace(kept)
    finally:
        beside.unlink(missing_ok=True)


def _read(file: Path, size: int | None, grey: bool) -> np.ndarray:
    """One image, (H, W) or (3, H, W) uint8."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("L" if grey else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RequestError(
            f"data.path: {file} cannot be read as an image ({type(error).__name__})"
        ) from error
    if size is not None:
        image = ImageOps.fit(
            image,
            (size, size),
            Image.Resampling.BOX if min(image.size) >= size else Image.Resampling.BICUBIC,
        )
    values = np.asarray(image)
    return values if grey else values.transpose(2, 0, 1)
