"""Every legal prior × likelihood × guide trains a step and is evaluated; its bound is below its exact evidence.

Both sides are computed on one grid over the 2-d latent space in float64: log p(x) by quadrature, and the ELBO as the
integral of q log (p/q). That q and p integrate to one over z is checked on the way: with it, the order is Jensen's, and no
noise is involved. The product's own estimate, from draws, must then agree with that integral.
"""

import math

import pytest
import torch
from components.factories import GUIDES, LIKELIHOODS, PRIORS, cases, config, dataset

from evidence import elbo
from inference.build import all_likelihoods, build_pair
from inference.calibration import calibrate
from inference.objectives.elbo import ELBO
from inference.optimiser import FusedAdam

AXIS = torch.linspace(-8, 8, 121, dtype=torch.float64)
GRID = torch.cartesian_prod(AXIS, AXIS)
LOG_AREA = 2 * math.log(16 / 120)
EXAMPLES = 1


PAIRS = [(name, options[0], guide) for name, options in LIKELIHOODS.items() for guide in GUIDES]
PAIRS += [(*case.values, "mean_field") for case in cases("likelihood") if case.values[1]]  # other options, once


@pytest.mark.parametrize(("likelihood", "options", "guide"), PAIRS)
def test_one_step_one_evaluation_below_the_evidence(likelihood, options, guide):
    data = dataset(all_likelihoods()[likelihood].spaces[0])
    # The default option of each prior meets every likelihood; what else it can be meets every guide.
    for prior, choices in PRIORS.items():
        for choice in choices if likelihood == "bernoulli" else choices[:1]:
            torch.manual_seed(0)
            request = config(prior=(prior, choice), likelihood=(likelihood, options), guide=(guide, GUIDES[guide][0]))
            model, guide_program = (part.double() for part in build_pair(request, data))
            step(model, guide_program, data.train[:].double())
            check(model, guide_program, data, f"{prior}{choice}")


def step(model, guide, x):
    optimiser = FusedAdam((model, guide), learning_rate=1e-2)
    loss = ELBO().differentiable_loss(model, guide, x)
    loss.backward()
    assert loss.isfinite()
    optimiser(())


@torch.no_grad()
def check(model, guide, data, what):
    model.eval(), guide.eval()
    x = data.test[:EXAMPLES].double()
    for likelihood in [model.likelihood]:
        if likelihood.needs_calibration:
            likelihood.calibrate([(model.decoder(guide(x)), x)])
    log_prior = model.prior().log_prob(GRID)
    h = model.decoder(GRID)
    for datum in x:
        q = guide.posterior(datum.expand(len(GRID), *datum.shape))
        log_q = q.log_prob(GRID)
        log_joint = log_prior + model.likelihood(h).log_prob(datum)
        evidence = (log_joint.logsumexp(0) + LOG_AREA).item()
        mass = log_q.exp()
        total = mass.sum().item() * math.exp(LOG_AREA)
        exact_elbo = (mass * (log_joint - log_q)).nan_to_num().sum().item() * math.exp(LOG_AREA)
        assert total == pytest.approx(1, abs=2e-3), what
        assert math.isfinite(evidence) and exact_elbo <= evidence + 2e-3 * abs(evidence), what
        estimate = elbo(model, guide, datum[None].expand(400, *datum.shape), num_particles=1)
        # 400 independent draws; 7 standard errors: P(fail) < 1e-11 each, were the mean normal
        assert abs(estimate.mean - exact_elbo) < 7 * estimate.standard_error + 2e-3 * abs(exact_elbo), what


def test_the_check_catches_a_wrong_density():
    """The planted bug: a guide that scores its draws with twice its own standard deviation."""
    torch.manual_seed(0)
    data = dataset("binary")
    model, guide = (part.double() for part in build_pair(config(), data))
    right = guide.family.forward
    guide.family.forward = lambda h: Misscored(right(h))
    with pytest.raises(AssertionError):
        check(model, guide, data, "misscored")


class Misscored(torch.distributions.Independent):
    def __init__(self, q):
        super().__init__(q.base_dist, 1)
        self.has_rsample_ = True

    def __call__(self, *args, **kwargs):  # as Pyro calls a distribution
        return self.rsample()

    def log_prob(self, value):
        wide = torch.distributions.Normal(self.base_dist.loc, 2 * self.base_dist.scale)
        return wide.log_prob(value).sum(-1)


def test_calibration_freezes_the_training_optimum():
    torch.manual_seed(0)
    data = dataset("unit")
    model, guide = build_pair(config(likelihood=("gaussian", {"scale": "optimal"})), data)
    before = model.likelihood.optimal_scale.clone()
    calibrate(model, guide, data.train)
    assert model.likelihood.optimal_scale != before
    assert set(LIKELIHOODS) == set(all_likelihoods())
