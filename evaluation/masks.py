"""Which dimensions are missing: a pattern by its name, or an array."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from data.mapped import in_memory
from data.places import no_file
from errors import RequestError

# The axis of a datum that is cut, and which half of it is missing, by the name of the pattern.
HALVES = {"top": (-2, 0), "bottom": (-2, 1), "left": (-1, 0), "right": (-1, 1)}
ACCEPTED = (
    "a .npy of booleans (True: missing), random:SHARE, left, right, or (pictures) top, bottom"
)


class Mask(NamedTuple):
    """Which dimensions are missing, one row a datum, and what --impute calls that."""

    name: str
    missing: Bool[Tensor, " N *shape"]


def missing_mask(
    text: str, shape: tuple[int, ...], count: int, seed: int = 0
) -> Bool[Tensor, " count *shape"]:
    """Returns the mask that `text` stands for; True is missing.

    `random:0.5` loses every dimension of every datum independently with that probability.

    Arguments:
        text: A name in HALVES, `random:SHARE`, or the path of a .npy. The array has the shape of
            one datum, or (N, *shape) with at least `count` rows.
        shape: The shape of one datum.
        count: The number of data.
        seed: Fixes what `random` loses.

    Raises:
        RequestError: `text` stands for no mask of such data.
    """
    if text in HALVES:
        missing = _half(text, shape)
    elif text.startswith("random:"):
        noise = torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))
        missing = noise < _share(text)
    elif text.endswith(".npy"):
        missing = _array(Path(text).expanduser(), shape, count)
    else:
        raise RequestError(f"--impute {text}: expected {ACCEPTED}")
    if not missing.any():
        raise RequestError(
            f"--impute {text}: nothing is missing; True stands for a missing dimension"
        )
    return missing.expand(count, *shape)


def _half(name: str, shape: tuple[int, ...]) -> Bool[Tensor, " *shape"]:
    axis, which = HALVES[name]
    if len(shape) < -axis:
        raise RequestError(f"--impute {name}: the data are vectors; expected {ACCEPTED}")
    position = torch.arange(shape[axis]) >= shape[axis] // 2
    return (position == bool(which)).reshape(-1, *[1] * (-1 - axis)).expand(shape)


def _share(text: str) -> float:
    try:
        share = float(text.removeprefix("random:"))
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise RequestError(
            f"--impute {text}: the share of missing dimensions must be a number above 0, at most 1"
        )
    return share


def _array(file: Path, shape: tuple[int, ...], count: int) -> Bool[Tensor, " *rows"]:
    if why := no_file(file):
        raise RequestError(f"--impute {file}: {why}")
    try:
        mask = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RequestError(
            f"--impute {file}: cannot be read as an array ({type(error).__name__})"
        ) from error
    if mask.dtype != np.bool_:
        raise RequestError(f"--impute {file}: dtype {mask.dtype}, expected bool; True is missing")
    if mask.shape != shape and (mask.shape[1:] != shape or len(mask) < count):
        raise RequestError(
            f"--impute {file}: shape {mask.shape}; "
            f"expected {shape}, or (N, …) with N at least {count}"
        )
    return torch.from_numpy(np.array(in_memory(mask if mask.shape == shape else mask[:count])))
