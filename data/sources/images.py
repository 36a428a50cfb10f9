"""A folder of image files, which are decoded once and kept as one array in a cache."""

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.kept import keep, open_kept
from data.names import SPLITS
from data.origins import Origins
from data.picture import read_picture
from data.places import no_folder
from data.raw import RawData, RawSplit, by_tenths

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
# Pictures too, which are refused rather than left out.
OTHERS = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".tga", ".psd", ".exr", ".pfm", ".svg", ".eps")
# Another way of decoding has another number: what an earlier one kept is not taken for it.
DECODING = 2
MOST_NAMED = 20  # images that a message names, before it counts them
MOST_FAULTS = 5


class Unreadable(str):
    """Why an image cannot be read at all, whatever the others are."""


Wrong = dict[str, list[Path]]  # by what is wrong with them


@dataclass(frozen=True)
class Decoding:
    """How images become bytes, and where these are kept."""

    size: int | None
    grey: bool
    cache: Path
    skip_broken: bool = False


def load(
    path: str | None,
    size: int | None = None,
    grey: bool = False,
    cache: str | None = None,
    skip_broken: bool = False,
) -> RawData:
    """Returns the images below `path`, 256 levels: `(N, H, W)` if `grey`, else `(N, 3, H, W)`.

    Folders train, valid and test below `path` are the splits, if all three are there. Otherwise
    all files are put in the order of a hash of their names, which does not follow the alphabet and
    does not change when others are added; the last tenth is the test split and the tenth before it
    the validation split.

    `size` cuts the largest centred square out of every image and scales it to size×size; without
    it all images must have one shape. `cache` is the folder for the decoded array (None: the user's
    cache folder); when a file changes, the images are decoded again. `skip_broken` leaves out
    those that cannot be read, and says which.
    """
    if not path:
        raise ValueError("path=null: must name the folder of your images")
    if why := no_folder(Path(path)):
        raise ValueError(f"path={path}: {why}")
    folder = Path(path).expanduser()
    if size is not None and not 1 <= size <= 4096:
        raise ValueError(f"size={size}: must be from 1 to 4096, or null for images of one shape")
    how = Decoding(size, grey, _cache_folder(cache), skip_broken)
    scaled = "" if size is None else f", cut to a square and scaled to {size}×{size}"
    notes = [f"values are the files' levels 0..255, {'grey' if grey else 'RGB'}{scaled}"]
    if all((folder / part).is_dir() for part in SPLITS):
        _check_alone(folder)
        train, valid, test = (_decoded(folder, folder / part, how, notes) for part in SPLITS)
        return RawData(train, valid, test, levels=256, notes=tuple(notes))
    whole = _decoded(folder, folder, how, notes)
    return RawData(*by_tenths(path, whole), levels=256, notes=tuple(notes))


def read_folder(folder: Path, size: int | None, grey: bool, skip_broken: bool = False) -> RawSplit:
    """Returns all images below `folder`, in the order of a hash of their names.

    What is left out is logged as a warning, which Python prints on stderr.
    """
    notes: list[str] = []
    how = Decoding(size, grey, _cache_folder(None), skip_broken)
    found = _decoded(folder, folder, how, notes)
    for note in notes:
        log.warning(note)
    return found


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


def _decoded(whole: Path, folder: Path, how: Decoding, notes: list[str]) -> RawSplit:
    """Returns all images below `folder` as one memory-mapped array, each named from `whole` on.

    It comes from the cache if no file has changed since it was written. What is left out is said
    in `notes`.
    """
    files = _files(folder)
    if not files:
        raise ValueError(f"path={folder}: no images; looked for {', '.join(SUFFIXES)}")
    files.sort(key=lambda file: hashlib.sha256(str(file.relative_to(folder)).encode()).digest())
    stats = [
        (str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
    ]
    content = repr((DECODING, str(folder.resolve()), how.size, how.grey, stats))
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    try:
        if how.skip_broken:
            files = _whole(folder, files, how, how.cache / f"{name}-broken.npy", notes)
            name = f"{name}-whole"
        kept = how.cache / f"{name}.npy"
        found = open_kept(kept, (len(files),))
        values = _decode(folder, files, how, kept) if found is None else found
    except OSError as error:
        raise ValueError(
            f"cache={how.cache}: cannot keep the decoded images ({error.strerror}); "
            "data.cache=FOLDER names another place"
        ) from error
    names = np.array([file.relative_to(whole).as_posix() for file in files])
    return RawSplit(values, origins=Origins("file", names))


def _whole(
    folder: Path, files: list[Path], how: Decoding, kept: Path, notes: list[str]
) -> list[Path]:
    """Returns the files that can be taken. Which ones cannot is kept, too, with a 1 for each."""
    broken = open_kept(kept, (len(files),))
    if broken is None:
        wrong: Wrong = defaultdict(list)
        good = {file for file, _ in _readable(files, how, wrong)}
        broken = keep(kept, (len(files),), iter([np.array([f not in good for f in files], "u1")]))
    left_out = [file for file, bad in zip(files, broken, strict=True) if bad]
    if len(left_out) == len(files):
        raise ValueError(f"path={folder}: none of {len(files)} images can be read")
    if left_out:
        notes.append(
            f"left out {len(left_out)} of {len(files)} images below {folder}, which cannot be "
            f"read: {_named(folder, left_out)}"
        )
    return [file for file, bad in zip(files, broken, strict=True) if not bad]


def _decode(folder: Path, files: list[Path], how: Decoding, kept: Path) -> np.ndarray:
    """Writes the array whole or not at all, with one image in memory at a time.

    Raises:
        ValueError: some images cannot be taken, and are named together.
        OSError: the array cannot be kept.
    """
    wrong: Wrong = defaultdict(list)
    first, sample = next(_readable(files, how, wrong), (files[0], np.empty(())))
    shape = sample.shape
    wrong.clear()

    def rows() -> Iterator[np.ndarray]:
        largest = 0
        for file, image in _readable(files, how, wrong):
            largest = max(largest, int(image.max()))
            if image.shape == shape:
                yield image
            else:
                other = f"shape {image.shape}, and {first.relative_to(folder)} {shape}"
                wrong[f"{other}; size=N makes them N×N"].append(file)
        if wrong:
            raise ValueError(f"path={folder}: {_listed(folder, wrong)}")
        if largest == 1:
            raise ValueError(
                f"path={folder}: all values are 0 and 1 of 255, which is black; multiply them by "
                "255, or save them as an array for data=arrays with data.levels=2"
            )

    return keep(kept, (len(files), *shape), rows())


def _readable(files: list[Path], how: Decoding, wrong: Wrong) -> Iterator[tuple[Path, np.ndarray]]:
    """Yields every image that can be taken; the others are added to what is `wrong` with them."""
    for file in files:
        try:
            yield file, read_picture(file, how.size, how.grey)
        except ValueError as error:
            wrong[Unreadable(str(error))].append(file)


def _listed(folder: Path, wrong: Wrong) -> str:
    """Returns what is wrong with which images, the commonest fault first."""
    by_count = sorted(wrong.items(), key=lambda item: -len(item[1]))
    found = [f"{_named(folder, names)}: {why}" for why, names in by_count[:MOST_FAULTS]]
    if len(by_count) > MOST_FAULTS:
        rest = sum(len(names) for _, names in by_count[MOST_FAULTS:])
        found.append(f"{rest} with other faults")
    if any(isinstance(why, Unreadable) for why in wrong):
        found.append("data.skip_broken=true leaves out what cannot be read")
    return "; ".join(found)


def _named(folder: Path, files: list[Path]) -> str:
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return ", ".join(str(file.relative_to(folder)) for file in files[:MOST_NAMED]) + more
