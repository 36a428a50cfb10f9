"""A data set on the device, or streamed to it from the disk: three splits in one space."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Distribution

from data.memory_limit import in_bytes
from data.observation import Draw, Observation, as_float, observe
from data.raw import RawData, RawSplit
from data.spaces import SPACES, Space
from data.storage import InMemory, Storage
from data.streaming import OnDisk
from errors import RequestError

Batch = Any
"""x (batch, *shape) as floats; or, where the model is given labels, (x, labels)."""
PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """Examples `(N, *shape)` on the device; `draw` turns stored values into floats of the space."""

    stored: Storage
    labels: Int[Tensor, " N"] | None
    draw: Draw
    given_labels: bool = False

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def device(self) -> torch.device:
        """Where examples come out."""
        return self.stored.device

    def __getitem__(self, index: Tensor | slice) -> Batch:
        """Examples as float32; drawn anew at each call where the split is dynamic. With `given_labels`, (x, labels)."""
        return self._observed(index, self.stored[index])

    def _observed(self, index: Tensor | slice, values: Tensor) -> Batch:
        x = self.draw(values)
        return (x, self.labels[index]) if self.given_labels and self.labels is not None else x

    def batches(self, size: int) -> Iterator[Batch]:
        """All examples in order, the last batch as short as it must be."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def shuffled(self, size: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        """All examples once, in an order drawn now from torch's generator; no workers.

        With `parts`, only part number `part` of every batch: together they are the batches.
        """
        return (
            self._observed(index, values)
            for index, values in self.stored.shuffled(size, part, parts)
        )

    def to(self, device: torch.device | str) -> "Split":
        """The same on `device`."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, stored=self.stored.to(device), labels=labels)


@dataclass(frozen=True)
class Dataset:
    """`train`, `valid` and `test` in one `space`.

    `shape` is that of one datum; `mean` (*shape) is the training mean in the space's units; `quantum` is the width
    of one stored level in those units (None: not quantised); `truth` is the distribution that synthetic data were
    drawn from.
    """

    name: str
    space: Space
    shape: tuple[int, ...]
    levels: int | None
    quantum: float | None
    mean: Float[Tensor, " *shape"]
    train: Split
    valid: Split
    test: Split
    description: str
    truth: Distribution | None = None

    def __call__(self, split: str) -> Split:
        if split not in ("train", "valid", "test"):
            raise RequestError(f"split={split}: choose from train, valid, test")
        return getattr(self, split)

    def with_labels(self) -> "Dataset":
        """The same data for a model that is given labels: every batch is (x, labels)."""
        if any(split.labels is None for split in (self.train, self.valid, self.test)):
            raise RequestError(
                f"model=conditional: data={self.name} has no labels to condition on; choose data that has, or model=vae"
            )
        train, valid, test = (
            replace(split, given_labels=True) for split in (self.train, self.valid, self.test)
        )
        return replace(self, train=train, valid=valid, test=test)

    @property
    def num_classes(self) -> int:
        """One more than the largest label of any split."""
        return 1 + max(
            int(split.labels.max())
            for split in (self.train, self.valid, self.test)
            if split.labels is not None
        )

    @property
    def dimensions(self) -> int:
        """Number of dimensions D of one datum."""
        return int(np.prod(self.shape))


def open_dataset(
    raw: RawData,
    name: str,
    space: str,
    binarisation: str = "dynamic",
    limit: int | None = None,
    seed: int = 0,
    memory_limit: int | str | None = None,
    device: torch.device | str = "cpu",
) -> Dataset:
    """Put `raw` into `space` on `device`, refusing values that are not in it.

    `limit` keeps the first examples of every split. `seed` fixes the binarisation or dequantisation noise of the
    validation and test splits (and of training where `binarisation=fixed`): it belongs to the data, not to the
    run, so that runs with other seeds are measured on the same numbers. Memory-mapped values of more than `memory_limit`
    bytes (a number, or 4GB and the like) stay on disk and are streamed.
    """
    if limit is not None and limit < 1:
        raise RequestError(f"data.limit={limit}: must be at least 1, or null for all examples")
    raw_splits = {part: getattr(raw, part).head(limit) for part in PARTS}
    stored = _stored(
        {part: split.values for part, split in raw_splits.items()}, in_bytes(memory_limit)
    )
    _check_values(stored, name, space, raw.levels)
    observation = observe(
        space, raw.levels, binarisation, (values for _, values in stored["train"].blocks())
    )
    splits = {
        part: _observed(stored[part], raw_splits[part], observation, part, seed + offset)
        for offset, part in enumerate(PARTS)
    }
    return Dataset(
        name=name,
        space=SPACES[space],
        shape=stored["train"].shape[1:],
        levels=2 if space == "binary" else raw.levels,
        quantum=observation.quantum,
        mean=_mean(splits["train"]),
        description=f"{space}, {binarisation}" if space == "binary" else space,
        truth=raw.truth,
        **{part: split.to(device) for part, split in splits.items()},
    )


def _stored(values: dict[str, np.ndarray | Tensor], limit: float) -> dict[str, Storage]:
    """In memory, or left on disk where all together would take more than `limit` bytes."""
    total = sum(_bytes(part) for part in values.values())
    if total <= limit:
        return {part: InMemory(_to_tensor(array)) for part, array in values.items()}
    for array in values.values():
        if not isinstance(array, np.memmap) or not array.flags.c_contiguous:
            what = "of one .npy file in C order (numpy.save of an array made by numpy.ascontiguousarray)"
            raise RequestError(
                f"data.memory_limit={limit:,.0f}: the data take {total:,} bytes, and only those {what} are streamed"
            )
    return {
        part: OnDisk(array, int(limit))
        for part, array in values.items()
        if isinstance(array, np.memmap)
    }


def _bytes(values: np.ndarray | Tensor) -> int:
    small = values.dtype in (np.uint8, np.bool_, torch.uint8)
    return int(np.prod(values.shape)) * (1 if small else 4)


def _observed(
    stored: Storage, raw: RawSplit, observation: Observation, part: str, seed: int
) -> Split:
    labels = None if raw.labels is None else torch.as_tensor(np.array(raw.labels)).long()
    if (part == "train" and observation.redraw) or not observation.noisy:
        return Split(stored, labels, observation.draw)
    return Split(stored.drawn(observation.draw, seed), labels, as_float)


def _mean(split: Split) -> Tensor:
    noise = torch.Generator().manual_seed(0)
    total = torch.zeros(split.stored.shape[1:], dtype=torch.float64)
    for _, values in split.stored.blocks():
        total += split.draw(values, noise).sum(0, dtype=torch.float64)
    return (total / len(split)).float()


def _to_tensor(values: np.ndarray | Tensor) -> Tensor:
    """uint8 stays; other integers and floats become float32 (exact for integers up to 2^24)."""
    if isinstance(values, Tensor):
        return values
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    return torch.from_numpy(
        np.array(values, dtype=np.uint8 if values.dtype == np.uint8 else np.float32)
    )


def _check_values(stored: dict[str, Storage], name: str, space: str, levels: int | None) -> None:
    if space not in SPACES:
        raise RequestError(f"data.space={space}: choose from {', '.join(SPACES)}")
    if levels is not None:
        return  # quantised values can be put into every space
    # Grey values in [0, 1] are the probabilities of a binarisation.
    allowed = SPACES["unit" if space == "binary" else space]
    for part, split in stored.items():
        for start, values in split.blocks():
            wrong = ~allowed.contains(values)
            if wrong.any():
                first, *index = (int(i) for i in wrong.nonzero()[0])
                fits = [
                    s.name
                    for s in SPACES.values()
                    if all(_lie_in(s, other) for other in stored.values())
                ]
                raise RequestError(
                    f"data.space={space}: the {part} split of data={name} has {values[(first, *index)].item():g} at index "
                    f"{(first + start, *index)}, outside {allowed.values}; "
                    + (f"its values fit {', '.join(fits)}" if fits else "values must be finite")
                )


def _lie_in(space: Space, stored: Storage) -> bool:
    return all(bool(space.contains(values).all()) for _, values in stored.blocks())
