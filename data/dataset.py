"""A data set on the device: three splits of one tensor each, in one space."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Distribution

from data.observation import Draw, Observation, observe
from data.raw import RawData, RawSplit
from data.spaces import SPACES, Space
from errors import RequestError

Batch = Any
"""x (batch, *shape) as floats; or, where the model is given labels, (x, labels)."""


@dataclass(frozen=True)
class Split:
    """Examples `(N, *shape)` on the device; `draw` turns stored values into floats of the space."""

    stored: Tensor
    labels: Int[Tensor, " N"] | None
    draw: Draw
    given_labels: bool = False

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: Tensor | slice) -> Batch:
        """Examples as float32; drawn anew at each call where the split is dynamic. With `given_labels`, (x, labels)."""
        x = self.draw(self.stored[index])
        return (x, self.labels[index]) if self.given_labels and self.labels is not None else x

    def batches(self, size: int) -> Iterator[Batch]:
        """All examples in order, the last batch as short as it must be."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def shuffled(self, size: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        """All examples once, in an order drawn now from torch's generator: gathered on the device, no workers.

        With `parts`, only part number `part` of every batch: together they are the batches.
        """
        order = torch.randperm(len(self), device=self.stored.device)
        return (self[index.tensor_split(parts)[part]] for index in order.split(size))


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
    mean: Float[Tensor, "*shape"]
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
        train, valid, test = (replace(split, given_labels=True) for split in (self.train, self.valid, self.test))
        return replace(self, train=train, valid=valid, test=test)

    @property
    def num_classes(self) -> int:
        """One more than the largest label of any split."""
        return 1 + max(int(split.labels.max()) for split in (self.train, self.valid, self.test) if split.labels is not None)

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
    device: torch.device | str = "cpu",
) -> Dataset:
    """Put `raw` into `space` on `device`, refusing values that are not in it.

    `limit` keeps the first examples of every split. `seed` fixes the binarisation or dequantisation noise of the
    validation and test splits (and of training where `binarisation=fixed`): it belongs to the data, not to the
    run, so that runs with other seeds are measured on the same numbers.
    """
    if limit is not None and limit < 1:
        raise RequestError(f"data.limit={limit}: must be at least 1, or null for all examples")
    raw_splits = {part: getattr(raw, part).head(limit) for part in ("train", "valid", "test")}
    stored = {part: _to_tensor(split.values).to(device) for part, split in raw_splits.items()}
    _check_values(stored, name, space, raw.levels)
    observation = observe(space, raw.levels, binarisation, stored["train"])
    splits = {
        part: _observed(stored[part], raw_splits[part], observation, part, seed + offset)
        for offset, part in enumerate(("train", "valid", "test"))
    }
    return Dataset(
        name=name,
        space=SPACES[space],
        shape=tuple(stored["train"].shape[1:]),
        levels=2 if space == "binary" else raw.levels,
        quantum=observation.quantum,
        mean=_mean(splits["train"]),
        description=f"{space}, {binarisation}" if space == "binary" else space,
        truth=raw.truth,
        **splits,
    )


def _observed(values: Tensor, raw: RawSplit, observation: Observation, part: str, seed: int) -> Split:
    labels = None if raw.labels is None else torch.as_tensor(np.asarray(raw.labels)).long().to(values.device)
    if part == "train" and observation.redraw:
        return Split(values, labels, observation.draw)
    with torch.random.fork_rng(devices=[values.device] if values.device.type == "cuda" else []):
        torch.manual_seed(seed)
        fixed = torch.cat([observation.draw(block) for block in values.split(10_000)])
    if fixed.dtype == torch.float32 and bool(SPACES["bytes"].contains(fixed).all()):
        fixed = fixed.to(torch.uint8)  # a quarter of the memory, the same numbers
    return Split(fixed, labels, lambda v: v.float())


def _mean(split: Split) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        total = torch.stack([x.double().sum(0) for x in split.batches(10_000)]).sum(0)
    return (total / len(split)).float()


def _to_tensor(values: np.ndarray | Tensor) -> Tensor:
    """uint8 stays; other integers and floats become float32 (exact for integers up to 2^24)."""
    if isinstance(values, Tensor):
        return values
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    return torch.from_numpy(np.array(values, dtype=np.uint8 if values.dtype == np.uint8 else np.float32))


def _check_values(stored: dict[str, Tensor], name: str, space: str, levels: int | None) -> None:
    if space not in SPACES:
        raise RequestError(f"data.space={space}: choose from {', '.join(SPACES)}")
    if levels is not None:
        return  # quantised values can be put into every space
    # Grey values in [0, 1] are the probabilities of a binarisation.
    allowed = SPACES["unit" if space == "binary" else space]
    for part, values in stored.items():
        wrong = ~allowed.contains(values)
        if wrong.any():
            index = tuple(int(i) for i in wrong.nonzero()[0])
            fits = [s.name for s in SPACES.values() if all(bool(s.contains(v).all()) for v in stored.values())]
            raise RequestError(
                f"data.space={space}: the {part} split of data={name} has {values[index].item():g} at index {index}, "
                f"outside {allowed.values}; " + (f"its values fit {', '.join(fits)}" if fits else "values must be finite")
            )
