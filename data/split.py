"""One split of a data set: examples on the device, or streamed to it from the disk."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from data.observation import Draw, Observation, as_float
from data.origins import Origins
from data.storage import Storage
from evidence.batch import Batch


@dataclass(frozen=True)
class Split:
    """Examples `(N, *shape)` on the device; `draw` turns stored values into floats of the space.

    `labels` are numbers of `Dataset.classes`. `origins` say where each example comes from. `source`
    is what data that came later were read from. `told` are labels that training alone is given,
    −1 where it is not.
    """

    stored: Storage
    labels: Int[Tensor, " N"] | None
    draw: Draw
    origins: Origins
    given_labels: bool = False
    source: str | None = None
    told: Int[Tensor, " N"] | None = None

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def device(self) -> torch.device:
        """The device that examples come out on."""
        return self.stored.device

    def __getitem__(self, rows: Tensor | slice) -> Tensor | Batch:
        """Returns the examples that `rows` picks, as float32; with `given_labels`, (x, labels)."""
        batch = self.batch(rows)
        return batch if self.given_labels else batch.x

    def batch(self, rows: Tensor | slice) -> Batch:
        """Returns the examples that `rows` picks: float32 x and, with `given_labels`, labels.

        Where the observation is dynamic, every call draws other noise.
        """
        return self._observed(rows, self.stored[rows])

    def _observed(self, rows: Tensor | slice, values: Tensor) -> Batch:
        x = self.draw(values, None)
        if self.given_labels and self.labels is not None:
            return Batch((x, self.labels[rows]))
        return Batch((x,))

    def batches(self, size: int) -> Iterator[Batch]:
        """Yields all examples in order; the last batch is as short as it must be."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size))

    def shuffled(self, size: int, part: int = 0, parts: int = 1) -> Iterator[Batch]:
        """Returns an iterator over all examples in an order that is drawn from torch's generator.

        Training takes its batches here. Where it is `told` labels, there are two columns more: a
        datum whose label is known, drawn for each datum, and its label. Few labels would come too
        rarely otherwise. With `parts`, it yields only part number `part` of every batch; all parts
        together are the batches.
        """
        return (
            self._taught(rows, self._observed(rows, values))
            for rows, values in self.stored.shuffled(size, part, parts)
        )

    def _taught(self, rows: Tensor, batch: Batch) -> Batch:
        if self.told is None:
            return batch
        drawn = torch.randint(len(self._labelled), rows.shape, device=rows.device)
        beside = self._labelled.to(rows.device)[drawn]
        known = self._observed(beside, self.stored[beside])
        return Batch((*batch, self.told[rows], known.x, self.told[beside]))

    @cached_property
    def _labelled(self) -> Int[Tensor, " labelled"]:
        assert self.told is not None
        return (self.told >= 0).nonzero()[:, 0]

    def to(self, device: torch.device | str) -> "Split":
        """Returns the same split on `device`."""
        labels = None if self.labels is None else self.labels.to(device)
        told = None if self.told is None else self.told.to(device)
        return replace(self, stored=self.stored.to(device), labels=labels, told=told)

    def drawn_once(self, observation: Observation, seed: int) -> "Split":
        """Returns the same split, if `observation` draws noise with the noise that `seed` gives."""
        if observation.noise == "none":
            return self
        return replace(self, stored=self.stored.drawn(observation.draw, seed), draw=as_float)
