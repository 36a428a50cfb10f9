"""How much is taken at once: as many rows as have `CHUNK_FLOATS` numbers, and at least one."""

import pytest
import torch

from evidence.batch import Batch
from evidence.chunks import CHUNK_FLOATS, particles_per_chunk, rows_per_chunk


class Sized:
    def __init__(self, floats_per_datum):
        self.floats_per_datum = floats_per_datum


@pytest.mark.parametrize(
    ("shape", "model", "numbers"),
    [
        ((), None, 1),
        ((1,), None, 1),
        ((28, 28), None, 784),
        ((2,), Sized(1000), 1000),
        ((2000,), Sized(1000), 2000),
        ((2 * CHUNK_FLOATS,), None, CHUNK_FLOATS),
    ],
)
def test_a_chunk_is_full(shape, model, numbers):
    x = torch.zeros(5, *shape)
    assert rows_per_chunk(x, model) == CHUNK_FLOATS // numbers
    assert particles_per_chunk(Batch.of(x), model) == max(1, CHUNK_FLOATS // numbers // 5)
