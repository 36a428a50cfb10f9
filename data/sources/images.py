"""A folder of image files, which are decoded once and kept as one array in a cache."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from data.kept import keep, open_kept
from data.names import SPLITS
from data.picture import read_picture
from data.raw import RawData, RawSplit, by_tenths

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
# Pictures too, which are refused rather than left out.
OTHERS = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".tga", ".psd", ".exr", ".pfm", ".svg", ".eps")
# Another way of decoding has another number: what an earlier one kept is not taken for it.
DECODING = 2
MOST_NAMED = 3


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
    scaled = "" if size is None else f", cut to a square and scaled to {size}×{size}"
    notes = (f"values are the files' levels 0..255, {'grey' if grey else 'RGB'}{scaled}",)
    if all((folder / part).is_dir() for part in SPLITS):
        _check_alone(folder)
        train, valid, test = (
            RawSplit(_decoded(folder / part, size, grey, kept)) for part in SPLITS
        )
        return RawData(train, valid, test, levels=256, notes=notes)
    whole = RawSplit(_decoded(folder, size, grey, kept))
    return RawData(*by_tenths(path, whole), levels=256, notes=notes)


def _cache_folder(cache: str | None) -> Path:
    if cache is not None:
        return Path(cache).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vae-images"


def _check_alone(folder: Path) -> None:
    """Refuses images beside the folders of the splits, which would be in no split."""
    for place in sorted(folder.iterdir()):
        if place.name in SPLITS:
            continue
        if place.suffix.lower() in SUFFIXES or (place.is_dir() and _files(place)):
            raise ValueError(
                f"path={folder}: {place.name} lies beside the splits train, valid and test, and "
                "is in none of them; move it"
            )


def _files(folder: Path) -> list[Path]:
    """Returns the images below `folder`.

    Raises:
        ValueError: something below it cannot be followed or read, or is a picture of another kind.
    """

    def refuse(error: OSError) -> None:
        raise ValueError(f"path={folder}: {error.filename} cannot be read ({error.strerror})")

    found = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        for path in (Path(place, name) for name in sorted([*folders, *names])):
            if path.is_symlink() and (path.is_dir() or not path.exists()):
                what = "a link to a folder" if path.is_dir() else "a link that leads nowhere"
                raise ValueError(
                    f"path={folder}: {path} is {what}, which is not followed; put a copy in its "
                    "place, or remove it"
                )
            if path.suffix.lower() in OTHERS:
                raise ValueError(
                    f"path={folder}: {path} is a picture of a kind that is not read; convert it to "
                    f"one of {', '.join(SUFFIXES)}"
                )
            if path.suffix.lower() in SUFFIXES and path.name in names:
                if not path.is_file():
                    raise ValueError(f"path={folder}: {path} is not a plain file")
                found.append(path)
    return found


def _decoded(folder: Path, size: int | None, grey: bool, cache: Path) -> np.ndarray:
    """Returns all images below `folder` as one memory-mapped uint8 array.

    It comes from the cache if no file has changed since it was written.
    """
    files = _files(folder)
    if not files:
        raise ValueError(f"path={folder}: no images; looked for {', '.join(SUFFIXES)}")
    files.sort(key=lambda file: hashlib.sha256(str(file.relative_to(folder)).encode()).digest())
    stats = [
        (str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
    ]
    content = repr((DECODING, str(folder.resolve()), size, grey, stats))
    kept = cache / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.npy"
    found = open_kept(kept, (len(files),))
    return _decode(folder, files, size, grey, kept) if found is None else found


def _decode(
    folder: Path, files: list[Path], size: int | None, grey: bool, kept: Path
) -> np.ndarray:
    """Writes the array whole or not at all, with one image in memory at a time.

    Raises:
        ValueError: some images cannot be taken, and are named together; the array cannot be kept.
    """
    wrong: dict[str, list[Path]] = defaultdict(list)
    first, sample = next(_readable(files, size, grey, wrong), (files[0], np.empty(())))
    shape = sample.shape
    wrong.clear()

    def rows() -> Iterator[np.ndarray]:
        largest = 0
        for file, image in _readable(files, size, grey, wrong):
            largest = max(largest, int(image.max()))
            if image.shape == shape:
                yield image
            else:
                other = f"shape {image.shape}, and {first.relative_to(folder)} {shape}"
                wrong[f"{other}; size=N makes them N×N"].append(file)
        if wrong:
            found = (f"{_named(folder, names)}: {why}" for why, names in wrong.items())
            raise ValueError(f"path={folder}: {'; '.join(islice(found, MOST_NAMED))}")
        if largest == 1:
            raise ValueError(
                f"path={folder}: all values are 0 and 1 of 255, which is black; multiply them by "
                "255, or save them as an array for data=arrays with data.levels=2"
            )

    try:
        return keep(kept, (len(files), *shape), rows())
    except OSError as error:
        raise ValueError(
            f"cache={kept.parent}: cannot keep the decoded images ({error.strerror}); "
            "data.cache=FOLDER names another place"
        ) from error


def _readable(
    files: list[Path], size: int | None, grey: bool, wrong: dict[str, list[Path]]
) -> Iterator[tuple[Path, np.ndarray]]:
    """Yields every image that can be taken; the others are added to what is `wrong` with them."""
    for file in files:
        try:
            yield file, read_picture(file, size, grey)
        except ValueError as error:
            wrong[str(error)].append(file)


def _named(folder: Path, files: list[Path]) -> str:
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return ", ".join(str(file.relative_to(folder)) for file in files[:MOST_NAMED]) + more
