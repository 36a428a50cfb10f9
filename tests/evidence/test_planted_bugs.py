"""The checks accept the correct code and reject every planted bug."""

import math
from collections.abc import Callable

import pytest
import torch
from pyro import poutine
from torch import nn

from evidence import annealing, chunks, lower, upper, weights
from evidence.annealing import Annealing
from evidence.hmc import Path
from evidence.joint import Joint
from evidence.quadrature import quadrature
from models.joints import ExactPosterior, FactorAnalysis, GammaPoisson, Posterior
from tests.evidence.planted_bugs import BUGS
from tests.evidence.statistics_checks import e_value_accepts, is_below, is_unbiased

Z99 = 4.9
"""Two-sided normal quantile at α = 1e-6."""


def pair() -> tuple[FactorAnalysis, Posterior, torch.Tensor]:
    # A posterior correlation of 0.38 shows a gap. From ½ on the weights' variance is infinite.
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    joint = FactorAnalysis(weight, torch.tensor([0.0, 1.0, -1.0, 2.0]), 0.64)
    torch.manual_seed(0)
    return (
        joint,
        Posterior(joint.best_mean_field),
        joint.conditional(joint.prior().sample((150,))).sample(),
    )


def weights_of_the_posterior_are_the_evidence() -> bool:
    joint, _, x = pair()
    found = weights.log_weights(poutine.scale(joint, 3.0), ExactPosterior(joint), x, 5)
    return found.shape == (5, 150) and bool((found - joint.log_prob(x)).abs().max() < 1e-9)


def every_datum_and_particle_counts() -> bool:
    joint, guide, x = pair()
    with pytest.MonkeyPatch.context() as inner:
        inner.setattr(chunks, "CHUNK_FLOATS", 4 * 170)
        shapes = (
            weights.log_weights(joint, guide, x, 7).shape == (7, 150)
            and len(lower.elbo(joint, guide, x, 7).per_datum) == 150
        )
        inner.setattr(chunks, "CHUNK_FLOATS", 4 * 32)
        return shapes and len(lower.iwae(joint, guide, x, 33).per_datum) == 150


def elbo_is_below_by_the_gap() -> bool:
    joint, guide, x = pair()
    difference = (
        joint.log_prob(x) - lower.elbo(joint, guide, x, 200).per_datum - joint.mean_field_gap()
    )
    return abs(float(difference.mean())) < Z99 * float(difference.std()) / math.sqrt(len(x))


def iwae_is_unbiased() -> bool:
    joint, guide, x = pair()
    return is_unbiased(lower.iwae(joint, guide, x, 20).per_datum - joint.log_prob(x))


def bounds_leave_the_pair_alone() -> bool:
    joint, _, x = pair()
    guide = Posterior(joint.best_mean_field)
    guide.shift = nn.Parameter(torch.zeros(1))
    lower.elbo(joint, guide, x, 3)
    return not bool(guide.shift.detach().any())


def upper_bound_is_above() -> bool:
    joint, _, x = pair()
    guide = Posterior(lambda x: joint.prior().expand((len(x),)))
    x, z = upper.simulate(joint, guide, x)
    return is_below(joint.log_prob(x), upper.iw_eubo(joint, guide, x, z, 2).per_datum)


def change_of_variables_is_right() -> bool:
    joint = GammaPoisson(2.0, 0.5, counts=3)
    torch.manual_seed(0)
    x = joint.conditional(joint.prior().sample((20,))).sample()
    found = quadrature(joint, ExactPosterior(joint), x)
    return found is not None and bool((found.per_datum - joint.log_prob(x)).abs().max() < 1e-4)


def one_dimension(chains: int) -> tuple[FactorAnalysis, Path]:
    joint = FactorAnalysis(torch.ones(1, 1), torch.zeros(1), 0.5)
    x = torch.tensor([[1.5]], dtype=torch.float64)
    return joint, Path(Joint(joint, ExactPosterior(joint), (x,)), "prior")


def annealing_is_unbiased() -> bool:
    """Runs 20,000 chains on a datum, with steps so long that many proposals are rejected."""
    joint, path = one_dimension(1)
    plan = Annealing(6, 20_000, 2, "prior", "linear")
    torch.manual_seed(0)
    step = torch.full((6, 1), 0.9, dtype=torch.float64)
    truth = joint.log_prob(path.joint.batch[0])
    draw = joint.posterior(path.joint.batch[0]).sample((plan.chains,))[:, 0]
    joint_rows = Path(
        Joint(joint, ExactPosterior(joint), (path.joint.batch[0].expand(plan.chains, 1),)), "prior"
    )
    short = torch.full(
        (3, plan.chains), 0.3, dtype=torch.float64
    )  # too short to forget where a chain started
    backward = annealing.reverse_weights(
        joint_rows, Annealing(3, 1, 1, "prior", "linear"), short, draw
    )
    forward = annealing.forward_weights(path, plan, step)
    return all(
        is_unbiased(log_ratio) and e_value_accepts(log_ratio)
        for log_ratio in (forward - truth, backward + truth)
    )


def transitions_leave_the_posterior_alone() -> bool:
    """Exact draws are still exact draws after twelve transitions: mean and variance, each at α."""
    joint, path = one_dimension(1)
    exact = joint.posterior(path.joint.batch[0])
    torch.manual_seed(0)
    point = path.at(exact.sample((20_000,))[:, 0])
    for _ in range(12):
        point, _ = annealing.transition(
            path, point, 1.0, torch.full((20_000,), 0.8, dtype=torch.float64), 2
        )
    standard = (point.u - exact.mean) / exact.variance.sqrt()
    return all(
        abs(float((standard**k).mean()) - m) < Z99 * s / math.sqrt(20_000)
        for k, m, s in ((1, 0, 1), (2, 1, math.sqrt(2)))
    )


CHECKS = [
    weights_of_the_posterior_are_the_evidence,
    every_datum_and_particle_counts,
    elbo_is_below_by_the_gap,
    iwae_is_unbiased,
    bounds_leave_the_pair_alone,
    upper_bound_is_above,
    change_of_variables_is_right,
    transitions_leave_the_posterior_alone,
    annealing_is_unbiased,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_correct_code_is_accepted(check: Callable[[], bool]) -> None:
    torch.manual_seed(0)
    assert check()


def test_there_are_enough_of_them() -> None:
    assert len(BUGS) >= 15


@pytest.mark.parametrize("sentence", BUGS)
def test_a_planted_bug_is_rejected(sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By at least one of the checks."""
    BUGS[sentence](monkeypatch)
    torch.manual_seed(0)
    assert not all(check() for check in CHECKS)
