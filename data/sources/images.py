"""A folder of image files, which are decoded once and kept as one array in a cache."""

import hashlib
import os
from pathlib import Path

import numpy as np

from data.names import SPLITS
from data.raw import RawData, RawSplit, by_tenths

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")


def load(
    path: str | None, size: int | None = None, grey: bool = False, cache: str | None = None
) -> RawData:
    """Returns the images below `path`, 256 levels: `(N, H, W)` if `grey`, else `(N, 3, H, W)`.

    Folders train, valid and test below `path` are the splits, if all three are there. Otherwise
    all files are put in the order of a hash of their names, which does not follow the alphabet and
    does not change when others are added; the last tenth is the test split and the tenth before it
    the validation split.

    `size` cuts the largest centred square out of every image and scales it to size×size; without
    it all images must have one shape. `cache` is the folder for the decoded array (None: the user's
    cache folder); when a file changes, the images are decoded again.
    """
    if path is None:
        raise ValueError("path=null: must name the folder of your images")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ValueError(f"path={path}: no such folder")
    if size is not None and not 1 <= size <= 4096:
        raise ValueError(f"size={size}: must be from 1 to 4096, or null for images of one shape")
    kept = _cache_folder(cache)
    if all((folder / part).is_dir() for part in SPLITS):
        train, valid, test = (
            RawSplit(_decoded(folder / part, size, grey, kept)) for part in SPLITS
        )
        return RawData(train, valid, test, levels=256)
    return RawData(
        *by_tenths(path, RawSplit(_decoded(folder, size, grey, kept))),
        levels=256,
    )


def _cache_folder(cache: str | None) -> Path:
    if cache is not None:
        return Path(cache).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vae-images"


def _decoded(folder: Path, size: int | None, grey: bool, cache: Path) -> np.ndarray:
    """Returns all images below `folder` as one memory-mapped uint8 array.

    It comes from the cache if no file has changed since it was written.
    """
    files = [
        file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
    ]
    if not files:
        raise ValueError(f"path={folder}: no images; looked for {', '.join(SUFFIXES)}")
    files.sort(key=lambda file: hashlib.sha256(str(file.relative_to(folder)).encode()).digest())
    stats = [
        (str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
    ]
    content = repr((str(folder.resolve()), size, grey, stats))
    kept = cache / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.npy"
    if not kept.exists():
        _decode(folder, files, size, grey, kept)
    return np.load(kept, mmap_mode="r", allow_pickle=False)


def _decode(folder: Path, files: list[Path], size: int | None, grey: bool, kept: Path) -> None:
    """Writes the array whole or not at all, with one image in memory at a time."""
    first = _read(folder, files[0], size, grey)
    beside = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(
            beside, mode="w+", dtype=np.uint8, shape=(len(files), *first.shape)
        )
        for row, file in enumerate(files):
            image = _read(folder, file, size, grey)
            if image.shape != first.shape:
                raise ValueError(
                    f"path={folder}: {file} has shape {image.shape} and {files[0]} {first.shape}; "
                    "size=N makes them N×N"
                )
            array[row] = image
        array.flush()
        beside.replace(kept)
    finally:
        beside.unlink(missing_ok=True)


def _read(folder: Path, file: Path, size: int | None, grey: bool) -> np.ndarray:
    """Returns one image, (H, W) or (3, H, W) uint8."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("L" if grey else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"path={folder}: {file} cannot be read as an image ({type(error).__name__})"
        ) from error
    if size is not None:
        smaller = min(image.size) >= size
        scaling = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
        image = ImageOps.fit(image, (size, size), scaling)
    values = np.asarray(image)
    return values if grey else values.transpose(2, 0, 1)
