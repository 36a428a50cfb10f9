"""The conditional VAE of quadrants predicts what is not seen from what is."""

import pytest
import torch
from pyro import poutine

from evidence import elbo_terms
from published.probes.quadrants import Guess, Guide, Model, Nothing, seen_quadrants


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_seen_gives_the_prior_and_counts_for_nothing_else(count):
    seen = seen_quadrants(count)
    assert seen.sum() == count * 14 * 14
    assert seen[20, 5] and not seen[20, 20]  # lower left is always seen, and lower right is not
    assert bool(seen[5, 5]) == (count > 1) and bool(seen[5, 20]) == (count == 3)
    torch.manual_seed(0)
    model, x = Model(Guess(seen)).double(), torch.rand(2, 28, 28).double()
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
    # p(z|s) is given the image that the guess completes, and trains nothing of the guess.
    assert torch.equal(model.guess.completed(x)[:, seen], x[:, seen])
    assert torch.equal(
        model.guess.completed(x)[:, ~seen], model.guess.network(x * seen).sigmoid()[:, ~seen]
    )
    assert not any(weight.requires_grad for weight in model.guess.parameters())
    # The guide reads the whole image.
    assert Guide()(x.float()).shape == (2, 200)


def test_the_guess_is_trained_by_the_formula_of_what_is_not_seen_alone():
    torch.manual_seed(0)
    seen, x = seen_quadrants(1), torch.rand(3, 28, 28)
    guess = Guess(seen)
    p = guess.network(x * seen).sigmoid()
    formula = (x * p.log() + (1 - x) * (1 - p).log())[:, ~seen].sum(1)
    terms = elbo_terms(guess, Nothing(), x, 2)
    assert torch.allclose(terms.elbo.per_datum, formula.to(terms.elbo.per_datum), atol=1e-3)
