"""The conditional VAE of quadrants predicts what is not seen from what is."""

import pytest
import torch
from pyro import poutine

from published.probes.quadrants import Guide, Model, seen_quadrants


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_seen_gives_the_prior_and_counts_for_nothing_else(count):
    seen = seen_quadrants(count)
    assert seen.sum() == count * 14 * 14
    torch.manual_seed(0)
    model, x = Model(seen).double(), torch.rand(2, 28, 28).double()
    z = torch.randn(2, 200).double()

    def terms(x):
        program = poutine.trace(poutine.condition(model, data={"z": z}))
        trace = program.get_trace(x)
        trace.compute_log_prob()
        return trace.nodes["z"]["log_prob"], trace.nodes["x"]["log_prob"]

    p = torch.sigmoid(model.decoder(z))
    formula = x * p.log() + (1 - x) * (1 - p).log()
    assert torch.allclose(terms(x)[1], formula[:, ~seen].sum(1))
    other = torch.rand_like(x)
    (prior, rest), (_, unchanged) = terms(x), terms(torch.where(seen, other, x))
    assert torch.equal(rest, unchanged)
    same_seen = terms(torch.where(seen, x, other))
    assert torch.equal(prior, same_seen[0]) and not torch.allclose(rest, same_seen[1])
    # The guide reads the whole image.
    assert Guide()(x.float()).shape == (2, 200)
