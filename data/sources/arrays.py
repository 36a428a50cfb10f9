"""A user's own array: .npy (memory-mapped) or .npz, one datum a row. Pickled objects are refused, never loaded."""

from pathlib import Path

import numpy as np

from data.raw import RawData, RawSplit, blocks
from errors import RequestError

SPLITS = ("train", "valid", "test")


def load(path: str | None, labels: str | None = None, levels: int | None = None) -> RawData:
    """Read `path`.

    - .npy: one array `(N, …)`; the last tenth is the test split, the tenth before it validation (as stored: shuffle
      first if the order means something). `labels` may name a second .npy of integers `(N,)`.
    - .npz: arrays `train`, `valid`, `test` (and `train_labels`, …), or one array `x` (and `labels`), split as above.

    uint8 is taken as 256 grey levels and bool as 2 (`levels` overrides); other numbers are taken as they are.
    """
    if path is None:
        raise RequestError(
            "data.path is not given: data=arrays needs data.path=FILE.npy or FILE.npz"
        )
    file = Path(path).expanduser()
    if not file.is_file():
        raise RequestError(f"data.path={path}: no such file")
    if file.suffix not in (".npy", ".npz"):
        raise RequestError(f"data.path={path}: expected a .npy or .npz file")
    parts = _parts(file, labels)
    shapes = {part: split.values.shape[1:] for part, split in parts.items()}
    if len(set(shapes.values())) > 1:
        raise RequestError(f"data.path={path}: the splits differ in the shape of a datum: {shapes}")
    if levels is None:
        levels = {"uint8": 256, "bool": 2}.get(np.asarray(parts["train"].values[:0]).dtype.name)
    if levels is not None:
        _check_levels(path, parts, levels)
    return RawData(parts["train"], parts["valid"], parts["test"], levels=levels)


def _check_levels(path: str, parts: dict[str, RawSplit], levels: int) -> None:
    if not 2 <= levels <= 256:
        raise RequestError(
            f"data.levels={levels}: must be from 2 to 256, or null for values that are not quantised"
        )
    for split in parts.values():
        if split.values.dtype == np.uint8 and levels == 256:
            continue
        for _, values in blocks(np.asanyarray(split.values)):
            if (
                values.min() < 0
                or values.max() >= levels
                or (values.dtype.kind == "f" and (values % 1 != 0).any())
            ):
                raise RequestError(
                    f"data.path={path}: with data.levels={levels} values must be whole numbers 0..{levels - 1}"
                )


def _parts(file: Path, labels: str | None) -> dict[str, RawSplit]:
    if file.suffix == ".npy":
        values = _checked(file, "array", _read(file))
        return _by_tenths(
            file, values, None if labels is None else _read(Path(labels).expanduser())
        )
    arrays = _read_archive(file)
    names = set(arrays)
    if set(SPLITS) <= names:
        return {
            p: RawSplit(
                _checked(file, p, arrays[p]), _labels(file, arrays.get(f"{p}_labels"), arrays[p])
            )
            for p in SPLITS
        }
    if "x" in names:
        return _by_tenths(file, _checked(file, "x", arrays["x"]), arrays.get("labels"))
    raise RequestError(
        f"data.path={file}: expected arrays train, valid, test, or x; found {', '.join(sorted(names)) or 'none'}"
    )


def _read(file: Path) -> np.ndarray:
    try:
        return np.lib.format.open_memmap(file, mode="r")  # no pickles, and nothing but .npy
    except Exception as error:  # whatever a damaged file may bring about
        raise RequestError(
            f"data.path={file}: not a readable array of numbers ({_first_line(error)})"
        ) from error


def _read_archive(file: Path) -> dict[str, np.ndarray]:
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise RequestError(
            f"data.path={file}: not a readable archive of arrays ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _checked(file: Path, name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "buif":
        raise RequestError(
            f"data.path={file}: {name} has dtype {values.dtype}, expected bool, integers or floats"
        )
    if values.ndim < 2:
        raise RequestError(
            f"data.path={file}: {name} has shape {values.shape}, expected (examples, dimensions…)"
        )
    if 0 in values.shape:
        raise RequestError(f"data.path={file}: {name} is empty, shape {values.shape}")
    if values.dtype.kind == "f":
        for start, block in blocks(values):
            bad = ~np.isfinite(block)
            if bad.any():
                index = tuple(int(i) for i in np.argwhere(bad)[0])
                raise RequestError(
                    f"data.path={file}: {name} has NaN or infinity at index {(index[0] + start, *index[1:])}"
                )
    return values


def _labels(file: Path, labels: np.ndarray | None, values: np.ndarray) -> np.ndarray | None:
    if labels is not None and (labels.shape != values.shape[:1] or labels.dtype.kind not in "bui"):
        raise RequestError(
            f"data.labels: expected integers of shape {values.shape[:1]} beside {file}, got {labels.dtype} {labels.shape}"
        )
    return labels


def _by_tenths(file: Path, values: np.ndarray, labels: np.ndarray | None) -> dict[str, RawSplit]:
    if len(values) < 10:
        raise RequestError(
            f"data.path={file}: {len(values)} examples are too few to split; at least 10"
        )
    labels = _labels(file, labels, values)
    tenth = len(values) // 10
    bounds = {
        "train": slice(0, -2 * tenth),
        "valid": slice(-2 * tenth, -tenth),
        "test": slice(-tenth, None),
    }
    return {
        p: RawSplit(values[s], None if labels is None else labels[s]) for p, s in bounds.items()
    }
