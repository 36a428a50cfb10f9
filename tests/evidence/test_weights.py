"""The model is given as many rows at a time as there is room for."""

from evidence import chunks, weights
from experiment.build import build_pair
from tests.components.factories import config, dataset

LEVELS, DIMENSIONS = 5, 2


def test_a_likelihood_that_needs_many_numbers_for_a_datum_is_given_fewer_data_at_a_time(
    monkeypatch,
):
    """A categorical takes 5 numbers for each of 2 dimensions: a chunk of 60 is 6 data, not 30."""
    data = dataset("bytes")
    model, guide = build_pair(config(likelihood="categorical"), data)
    x, seen = data.test[:12], []
    model.decoder.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))

    # Before, the densities of the data are looked at, alone and beside others.
    assert weights.log_weights(model, guide, x, 2).shape == (2, 12) and seen[-1] == 24
    seen.clear()
    monkeypatch.setattr(chunks, "CHUNK_FLOATS", 6 * LEVELS * DIMENSIONS)
    assert weights.log_weights(model, guide, x, 2).shape == (2, 12) and seen[-4:] == [6] * 4
    assert max(seen) == 6
