"""A user's own array: .npy (memory-mapped) or .npz, one datum a row.

Pickled objects are refused and never loaded.
"""

from pathlib import Path

import numpy as np

from data.names import SPLITS
from data.raw import RawData, RawSplit, blocks, by_tenths


def load(path: str | None, labels: str | None = None, levels: int | None = None) -> RawData:
    """Returns the data in the file `path`.

    A .npy file holds one array `(N, …)`: the last tenth is the test split and the tenth before it
    the validation split, in the order of the file (shuffle it first if that order means
    something). `labels` may name a second .npy file of integers `(N,)`.

    A .npz file holds the arrays `train`, `valid`, `test` (and `train_labels`, …), or one array `x`
    (and `labels`), which is split as above.

    Values of type uint8 have 256 grey levels and booleans have 2, unless `levels` says otherwise;
    other numbers are taken as they are.
    """
    if path is None:
        raise ValueError("path=null: must name your data, FILE.npy or FILE.npz")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(f"path={path}: no such file")
    if file.suffix not in (".npy", ".npz"):
        raise ValueError(f"path={path}: expected a .npy or .npz file")
    train, valid, test = _splits(file, labels)
    splits = dict(zip(SPLITS, (train, valid, test), strict=True))
    shapes = {part: split.values.shape[1:] for part, split in splits.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"path={path}: the splits differ in the shape of a datum: {shapes}")
    if levels is None:
        levels = {"uint8": 256, "bool": 2}.get(np.asarray(train.values[:0]).dtype.name)
    if levels is not None:
        _check_levels(path, [train, valid, test], levels)
    return RawData(train, valid, test, levels=levels)


def _check_levels(path: str, splits: list[RawSplit], levels: int) -> None:
    if not 2 <= levels <= 256:
        raise ValueError(
            f"levels={levels}: must be from 2 to 256, or null for values that are not quantised"
        )
    for split in splits:
        if split.values.dtype == np.uint8 and levels == 256:
            continue
        for _, values in blocks(np.asanyarray(split.values)):
            whole = values.dtype.kind != "f" or not (values % 1 != 0).any()
            if values.min() < 0 or values.max() >= levels or not whole:
                raise ValueError(
                    f"path={path}: with levels={levels} values must be whole numbers "
                    f"0..{levels - 1}"
                )


def _splits(file: Path, labels: str | None) -> tuple[RawSplit, RawSplit, RawSplit]:
    if file.suffix == ".npy":
        beside = None if labels is None else _read(Path(labels).expanduser())
        return by_tenths(str(file), _split(file, "array", _read(file), beside))
    arrays = _read_archive(file)
    if set(SPLITS) <= set(arrays):
        train, valid, test = (
            _split(file, part, arrays[part], arrays.get(f"{part}_labels")) for part in SPLITS
        )
        return train, valid, test
    if "x" in arrays:
        return by_tenths(str(file), _split(file, "x", arrays["x"], arrays.get("labels")))
    raise ValueError(
        f"path={file}: expected arrays train, valid, test, or x; "
        f"found {', '.join(sorted(arrays)) or 'none'}"
    )


def _read(file: Path) -> np.ndarray:
    try:
        return np.lib.format.open_memmap(file, mode="r")  # reads .npy and nothing else, no pickles
    except Exception as error:  # a damaged file may bring about any of them
        raise ValueError(
            f"path={file}: not a readable array of numbers ({_first_line(error)})"
        ) from error


def _read_archive(file: Path) -> dict[str, np.ndarray]:
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        raise ValueError(
            f"path={file}: not a readable archive of arrays ({_first_line(error)})"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _split(file: Path, name: str, values: np.ndarray, labels: np.ndarray | None) -> RawSplit:
    """Returns values and labels together, having checked both; `name` is that of the array."""
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"path={file}: {name} has dtype {values.dtype}, expected bool, integers or floats"
        )
    if values.ndim < 2:
        raise ValueError(
            f"path={file}: {name} has shape {values.shape}, expected (examples, dimensions…)"
        )
    if 0 in values.shape:
        raise ValueError(f"path={file}: {name} is empty, shape {values.shape}")
    if values.dtype.kind == "f":
        for start, block in blocks(values):
            bad = ~np.isfinite(block)
            if bad.any():
                first, *index = (int(i) for i in np.argwhere(bad)[0])
                where = (first + start, *index)
                raise ValueError(f"path={file}: {name} has NaN or infinity at index {where}")
    if labels is not None and (labels.shape != values.shape[:1] or labels.dtype.kind not in "bui"):
        raise ValueError(
            f"labels: expected integers of shape {values.shape[:1]} beside {file}, "
            f"got {labels.dtype} {labels.shape}"
        )
    return RawSplit(values, labels)
