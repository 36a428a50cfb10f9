"""A data set: three splits in one space."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from data.fingerprint import Fingerprint, fingerprint
from data.labels import Label, NoLabels, distinct, few_of_each
from data.mapped import Mapped, in_memory
from data.names import SPLITS
from data.numbers import place
from data.observation import Observation, observe
from data.origins import ROW, Origins
from data.raw import RawData, RawSplit, as_stored, blocks
from data.spaces import SPACES, Space, spaces_of
from data.split import Split
from data.storage import InMemory, Storage
from data.streaming import OnDisk
from data.units import Units, units_of
from data.view import View, in_bytes

CHOOSE = "choose data that has, or model=vae"


@dataclass(frozen=True)
class Dataset:
    """The splits `train`, `valid` and `test` in one `space`.

    `shape` is that of one datum. `mean` is the training mean in the space's units. `quantum` is the
    width of one stored level in those units, and None where the data are not quantised. `truth` is
    the distribution that synthetic data were drawn from. `classes` are the different labels of all
    splits, sorted. `notes` say how files became these values. `fingerprint` is that of what was
    read, and None for synthetic data. `units` are those of real columns that are far from mean 0
    and standard deviation 1, if the source asks for them. `observation` is how stored values, of
    `stored_levels` grey levels, come into the space. `columns` are the names of the dimensions, if
    they have names. `others` are splits of data that came later, by their names.
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
    observation: Observation
    stored_levels: int | None = None
    columns: tuple[str, ...] | None = None
    truth: Distribution | None = None
    classes: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None
    units: Units | None = None
    others: Mapping[str, Split] = field(default_factory=dict)

    def __call__(self, split: str) -> Split:
        """Returns the split of that name."""
        known = {**self.splits, **self.others}
        if split not in known:
            raise ValueError(f"split={split}: choose from {', '.join(known)}")
        return known[split]

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return dict(zip(SPLITS, (self.train, self.valid, self.test), strict=True))

    def with_labels(self) -> "Dataset":
        """Returns the same data for a model that is given labels: every batch is (x, labels)."""
        if any(split.labels is None for split in self.splits.values()):
            raise NoLabels(f"data={self.name} has no labels to condition on; {CHOOSE}")
        train, valid, test = (replace(split, given_labels=True) for split in self.splits.values())
        return replace(self, train=train, valid=valid, test=test)

    def with_few_labels(self, count: int, seed: int = 0) -> "Dataset":
        """Returns the same data, of which training is told `count` labels.

        Raises:
            ValueError: there are not as many of each class.
        """
        if self.train.labels is None:
            raise NoLabels(f"data={self.name} has no labels to learn from; {CHOOSE}")
        numbers = self.train.labels
        told = few_of_each(numbers.cpu(), self.num_classes, count, seed).to(numbers.device)
        return replace(self, train=replace(self.train, told=told))

    @property
    def num_classes(self) -> int:
        """The number of different labels."""
        return len(self.classes)

    @property
    def dimensions(self) -> int:
        """The number of dimensions D of one datum."""
        return math.prod(self.shape)


def open_dataset(
    raw: RawData, name: str, view: View, device: torch.device | str = "cpu"
) -> Dataset:
    """Returns `raw` in the space that `view` names, on `device`.

    Raises:
        ValueError: the space does not contain the values, or they are to be streamed and cannot be.

    >>> levels = RawSplit(np.arange(16, dtype=np.uint8).reshape(8, 2))
    >>> data = open_dataset(RawData(levels, levels, levels, 16), "levels", View("bytes", limit=2))
    >>> data.test[:]
    tensor([[0., 1.],
            [2., 3.]])
    """
    raw_splits = {part: split.rows(slice(view.limit)) for part, split in raw.splits.items()}
    stored = _stored(raw_splits, in_bytes(view.memory_limit))
    if raw.levels is None:  # quantised values can be put into every space
        for part, one in stored.items():
            where = f"space={view.space}: the {part} split of data={name}"
            origins = raw_splits[part].named
            check_values(where, one, view.space, origins, raw.columns, stored.values())
    if view.space == "counts":
        _check_exact(raw_splits, name)
    training = (values for _, values in stored["train"].blocks())
    observation = observe(view.space, raw.levels, view.binarisation, training)
    classes = distinct(split.labels for split in raw.splits.values())
    labels = {part: numbered(split.labels, classes) for part, split in raw_splits.items()}
    units = _units(stored["train"]) if raw.standardise and view.space == "real" else None
    splits = {}
    for offset, part in enumerate(SPLITS):
        split = Split(stored[part], labels[part], observation.draw, raw_splits[part].named)
        drawn_often = part == "train" and observation.noise == "dynamic"
        splits[part] = split if drawn_often else split.drawn_once(observation, view.seed + offset)
    binary = view.space == "binary"
    return Dataset(
        name=name,
        space=SPACES[view.space],
        shape=stored["train"].shape[1:],
        levels=2 if binary else raw.levels,
        quantum=observation.quantum,
        mean=_mean(splits["train"]),
        description=f"{view.space}, {view.binarisation}" if binary else view.space,
        observation=observation,
        stored_levels=raw.levels,
        columns=raw.columns,
        truth=raw.truth,
        classes=tuple(classes.tolist()),
        fingerprint=fingerprint(stored, labels, classes.tolist()) if raw.truth is None else None,
        notes=raw.notes if units is None else (*raw.notes, units.note),
        units=units,
        train=splits["train"].to(device),
        valid=splits["valid"].to(device),
        test=splits["test"].to(device),
    )


def _stored(splits: dict[str, RawSplit], limit: float) -> dict[str, Storage]:
    """Returns values in memory, or left on disk if all of them take more than `limit` bytes."""
    total = sum(_bytes(split.values) for split in splits.values())
    if total <= limit:
        return {part: InMemory(to_tensor(split.values)) for part, split in splits.items()}
    found: dict[str, Storage] = {}
    for part, split in splits.items():
        file = Mapped.of(split.values)
        if file is None:
            raise ValueError(
                f"memory_limit={limit:,.0f}: the data take {total:,} bytes, and only those of one "
                ".npy file in C order (numpy.save of an array made by numpy.ascontiguousarray) are "
                "streamed"
            )
        found[part] = OnDisk(file, int(limit))
    return found


def _bytes(values: np.ndarray | Tensor) -> int:
    small = values.dtype in (np.uint8, np.bool_, torch.uint8)
    return math.prod(values.shape) * (1 if small else 4)


def to_tensor(values: np.ndarray | Tensor) -> Tensor:
    """Returns values as they are stored."""
    if isinstance(values, Tensor):
        return values
    return torch.from_numpy(np.require(as_stored(in_memory(values)), requirements=["C", "W"]))


def numbered(labels: np.ndarray | None, classes: np.ndarray) -> Tensor | None:
    """Returns the number of each label among the sorted `classes`."""
    return None if labels is None else torch.from_numpy(np.searchsorted(classes, labels))


def _mean(split: Split) -> Float[Tensor, " *shape"]:
    noise = torch.Generator().manual_seed(0)
    total = torch.zeros(split.stored.shape[1:], dtype=torch.float64)
    for _, values in split.stored.blocks():
        total += split.draw(values, noise).sum(0, dtype=torch.float64)
    return (total / len(split)).float()


def _units(train: Storage) -> Units | None:
    return units_of(lambda: (values for _, values in train.blocks()))


def check_values(
    where: str,
    stored: Storage,
    space: str,
    origins: Origins,
    columns: Sequence[str] | None,
    others: Iterable[Storage] = (),
) -> None:
    """Raises ValueError unless all values lie in `space`; `others` help to say which one fits."""
    # Grey values in [0, 1] are the probabilities of a binarisation.
    allowed = SPACES["unit" if space == "binary" else space]
    for start, values in stored.blocks():
        wrong = ~allowed.contains(values)
        if wrong.any():
            first, *index = (int(i) for i in wrong.nonzero()[0])
            at, name = place((first + start, *index), columns), origins[first + start]
            at = at if name == f"{ROW} {first + start}" else f"{at} ({name})"
            fits = spaces_of(v for storage in others for _, v in storage.blocks())
            raise ValueError(
                f"{where} has {values[(first, *index)].item():.9g} at "
                f"{at}, outside {allowed.values}; "
                + (f"its values fit {', '.join(fits)}" if fits else "values must be finite")
            )


def _check_exact(splits: dict[str, RawSplit], name: str) -> None:
    """Refuses counts that float32 rounds. Those of integer types are exact (see `data.numbers`)."""
    for part, split in splits.items():
        values = np.asanyarray(split.values)
        if values.dtype.kind != "f" or values.dtype.itemsize <= 4:
            continue
        for start, block in blocks(values):
            wrong = np.argwhere(as_stored(block) != block)
            if len(wrong):
                first, *index = (int(i) for i in wrong[0])
                raise ValueError(
                    f"space=counts: the {part} split of data={name} has "
                    f"{block[(first, *index)]:.0f} at index {(first + start, *index)}, which is "
                    "not exact in float32; divide the counts, or use a likelihood on real"
                )
