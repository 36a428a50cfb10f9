"""How many data and particles go through a program at a time."""

import math
from collections.abc import Iterator

from torch import Tensor

from evidence.batch import Batch, Data
from evidence.counts import whole
from evidence.offers import OffersSize
from evidence.structure import Latents

# How many floats one run of a model sees: enough to amortize Pyro's own work, few enough to stay
# near the cache.
CHUNK_FLOATS = 2**20

# How many particles of a datum share a chunk with those of other data. The usual numbers of
# particles are multiples of it.
TOGETHER = 25


def rows_per_chunk(x: Tensor, model: object) -> int:
    """Returns how many rows like those of `x` fit a chunk.

    They are fewer where the model says that it needs more numbers for a datum than the datum has.
    """
    needed = model.floats_per_datum if isinstance(model, OffersSize) else 1
    return max(1, CHUNK_FLOATS // max(1, x[0].numel(), needed))


def particles_per_chunk(batch: Batch, model: object) -> int:
    """Returns how many particles of every datum of `batch` fit a chunk."""
    return max(1, rows_per_chunk(batch.x, model) // batch.size)


def split_batch(x: Data, num_particles: int, model: object) -> Iterator[Batch]:
    """Yields parts of `x` small enough that a few particles of each fit one chunk.

    Raises ValueError if there are no data, or no particles.
    """
    batch = Batch.some(x)
    num_particles = whole("num_particles", num_particles)
    most = max(1, rows_per_chunk(batch.x, model) // min(num_particles, TOGETHER))
    yield from batch.parts(math.ceil(batch.size / math.ceil(batch.size / most)))  # equal parts


def split_with_latents(
    x: Data, latents: Latents, num_particles: int, model: object
) -> Iterator[tuple[Batch, Latents]]:
    """Yields the parts of `split_batch` with the values of the latents that belong to each."""
    batch = Batch.of(x)
    for part in split_batch((*batch, *latents.values()), num_particles, model):
        values = dict(zip(latents, part[len(batch) :], strict=True))
        yield Batch(part[: len(batch)]), values
