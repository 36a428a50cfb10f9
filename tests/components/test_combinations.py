"""Every legal prior × likelihood × guide trains a step, and its bound is below its exact evidence.

Bound and evidence are sums over one grid of the 2-d latent space in float64. With q̂ the share of a
cell in Σ q · cell, Jensen's inequality for sums says, with no error of discretisation at all,

    Σ q̂ log(p/q) ≤ log(Σ p · cell) − log(Σ q · cell),

and the last term is 0 as far as q is scored as a density. The evaluation's own draws are then
compared with both sides. By default every pair of choices meets at least once; `make verify` runs
the whole product.
"""

import copy
import itertools
import math
from dataclasses import replace

import pyro.distributions as dist
import pytest
import torch
from torch import nn

from evidence.training.optimizer import FusedAdam
from evidence.weights import draw
from experiment.build import all_likelihoods, build_pair
from inference.fast.svi import FastSVI
from inference.objectives.elbo import ELBO
from inference.refit import refit
from models import Generative
from tests.components.factories import GUIDES, LIKELIHOODS, PRIORS, cases, config, dataset

HALF_WIDTH, CELLS = 12.0, 160
DRAWS = 400
ALPHA = 1e-9
# The two-sided normal quantile at α.
Z = 6.1


def covering() -> list[tuple]:
    """Combines prior i and likelihood j with guide i + j, each with its options in turn."""
    guides = list(GUIDES.items())
    return [
        (
            prior,
            in_turn(priors, j),
            likelihood,
            in_turn(likelihoods, i),
            guide,
            in_turn(families, j),
        )
        for i, (prior, priors) in enumerate(PRIORS.items())
        for j, (likelihood, likelihoods) in enumerate(LIKELIHOODS.items())
        for guide, families in [in_turn(guides, i + j)]
    ]


def in_turn(choices, number):
    return choices[number % len(choices)]


def name(combination) -> str:
    return "-".join(str(part) for part in combination if part != {})


def test_the_covering_array_covers():
    """It has every pair of choices of two axes, and every option of every choice."""
    chosen = [(c[0], c[2], c[4]) for c in covering()]
    for (i, first), (j, second) in itertools.combinations(
        enumerate((PRIORS, LIKELIHOODS, GUIDES)), 2
    ):
        assert {(c[i], c[j]) for c in chosen} == set(itertools.product(first, second))
    for axis, at in (("prior", 0), ("likelihood", 2), ("guide", 4)):
        assert {name(c[at : at + 2]) for c in covering()} == {
            name(case.values) for case in cases(axis)
        }


@pytest.mark.parametrize("combination", [pytest.param(c, id=name(c)) for c in covering()])
def test_one_step_one_evaluation_below_the_evidence(combination):
    trained_and_checked(*combination)


@pytest.mark.verify
@pytest.mark.parametrize(("likelihood", "setting"), cases("likelihood"))
@pytest.mark.parametrize(("guide", "option"), cases("guide"))
def test_the_whole_product(likelihood, setting, guide, option):
    for case in cases("prior"):
        trained_and_checked(*case.values, likelihood, setting, guide, option)


def trained_and_checked(prior, prior_options, likelihood, likelihood_options, guide, guide_options):
    torch.manual_seed(0)
    chosen = {
        "prior": (prior, prior_options),
        "likelihood": (likelihood, likelihood_options),
        "guide": (guide, guide_options),
    }
    data = in_double(dataset(all_likelihoods()[likelihood].spaces[0]))
    pair = [part.double() for part in build_pair(config(**chosen), data)]
    svi = FastSVI(*pair, FusedAdam(pair, learning_rate=1e-2), ELBO(), compiled=False)
    before = copy.deepcopy([part.state_dict() for part in pair])
    svi.step(data.train[:])  # raises NonFinite where the loss is
    after = [part.state_dict() for part in pair]
    assert any(
        not torch.equal(old[key], new[key])
        for old, new in zip(before, after, strict=True)
        for key in old
    )
    check(*pair, data)


def in_double(data):
    """Returns the same data in float64, so that rounding does not matter to grids and networks."""

    def doubled(split):
        return replace(split, draw=lambda v, noise=None: split.draw(v, noise).double())

    return replace(
        data, train=doubled(data.train), valid=doubled(data.valid), test=doubled(data.test)
    )


@torch.no_grad()
def check(model, guide, data):
    """Checks the inequality for the first test datum on the grid, then the evaluation's draws."""
    model.eval(), guide.eval()
    refit(model, guide, data.train)
    x = data.test[:1]
    particles = draw(model, guide, (x,), DRAWS)
    z, drawn = particles.latents["z"][:, 0], particles.log_weights[:, 0]
    points, log_cell = grid(z.mean(0), z.std(0))
    log_joint, log_q = densities(model, guide, x, points)
    evidence, log_mass = (log_joint + log_cell).logsumexp(0), (log_q + log_cell).logsumexp(0)
    bound = ((log_q + log_cell).softmax(0) * (log_joint - log_q)).sum()
    assert bound.isfinite() and bound < evidence
    assert log_mass.abs() < 0.01 * (evidence - bound), (
        "the order is no accident of q's mass on the grid"
    )

    at_joint, at_q = densities(model, guide, x, z)
    assert drawn.numpy() == pytest.approx((at_joint - at_q).numpy(), abs=1e-9)
    # E_q[w] is p(x), so the product of DRAWS independent w/p(x) has mean 1, and by Markov's
    # inequality it exceeds 1/α with probability α at most.
    assert (drawn - evidence).sum() < math.log(1 / ALPHA)
    assert (drawn.mean() - bound).abs() < Z * drawn.std() / math.sqrt(
        DRAWS
    )  # P(fail) = α by the normal limit


def grid(centre, scale):
    """Returns points z = centre + scale · sinh(u), and the log-area of their cells.

    u is an even grid whose ends are HALF_WIDTH away from the centre, so that the points are dense
    where q is, however narrow, and reach far enough for every prior.
    """
    reach = torch.asinh(HALF_WIDTH / scale)
    u = (torch.arange(CELLS).double() + 0.5).unsqueeze(1) * (2 * reach / CELLS) - reach
    z, log_width = centre + scale * u.sinh(), (scale * u.cosh() * 2 * reach / CELLS).log()
    return torch.cartesian_prod(*z.T), torch.cartesian_prod(*log_width.T).sum(1)


def densities(model, guide, x, z):
    """Returns log p(x, z) and log q(z|x) at z (points, latent), for one datum x (1, *shape)."""
    log_q = guide.posterior(x).log_prob(z.unsqueeze(1)).squeeze(1)
    return model.prior().log_prob(z) + model.likelihood(model.decoder(z)).log_prob(x), log_q


class WrongScore(dist.TorchDistribution):
    """A distribution that draws from q, and scores by something else."""

    def __init__(self, q, score):
        self.q, self.score = q, score
        super().__init__(q.batch_shape, q.event_shape, validate_args=False)

    has_rsample, arg_constraints, support = True, {}, dist.constraints.real_vector

    def expand(self, batch_shape, _instance=None):
        return WrongScore(self.q.expand(batch_shape), self.score)

    def rsample(self, sample_shape=()):
        return self.q.rsample(sample_shape)

    def log_prob(self, value):
        return self.score(self.q, value)


def twice_as_wide(q, z):
    return dist.Normal(q.base_dist.loc, 2 * q.base_dist.scale).to_event(1).log_prob(z)


def without_normaliser(q, z):
    return q.log_prob(z) - 0.5 * math.log(2 * math.pi)


@pytest.mark.parametrize("score", [twice_as_wide, without_normaliser])
def test_the_check_catches_a_guide_that_scores_its_draws_wrongly(score):
    data, model, guide = default_pair()
    right = guide.family.forward
    check(model, guide, data)
    guide.family.forward = lambda h: WrongScore(right(h), score)
    with pytest.raises(AssertionError):
        check(model, guide, data)


def test_the_check_catches_a_program_that_is_not_its_components():
    """The planted bug is a program whose decoder is not the model's."""
    data, model, guide = default_pair()
    model.forward = Generative(
        model.prior, nn.Sequential(model.decoder, nn.Tanh()), model.likelihood
    ).forward
    with pytest.raises(AssertionError):
        check(model, guide, data)


def default_pair():
    torch.manual_seed(0)
    data = in_double(dataset("binary"))
    return data, *(part.double() for part in build_pair(config(), data))


def test_a_measurement_refits_the_scale_to_the_training_set():
    torch.manual_seed(0)
    data = dataset("unit")
    model, guide = build_pair(config(likelihood=("gaussian", {"scale": "optimal"})), data)
    before = model.likelihood.optimal_scale.clone()
    refit(model, guide, data.train)
    assert model.likelihood.optimal_scale != before
    assert set(LIKELIHOODS) == set(all_likelihoods())
