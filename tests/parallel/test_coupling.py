"""The loss of a batch is the sum over its parts, or the choice says why not, and is refused."""

import pytest
import torch

from errors import RequestError
from models.likelihoods import Likelihood
from parallel.group import refuse_coupled
from tests.choices import CHOICES, COMPANIONS, opened
from tests.parallel.constant_noise import ConstantNoise

COUPLED = {
    "free_bits": ["objective=free_bits", "objective.nats=1e-4"],
    "optimal": ["likelihood=gaussian", "likelihood.scale=optimal"],
}
SCALES = [
    ["likelihood=gaussian", f"likelihood.scale={scale}"]
    for scale in ("learned", "per_dimension", "predicted")
]


def reasons(model, objective):
    """What the components of a pair say about coupling."""
    likelihoods = [part for part in model.modules() if isinstance(part, Likelihood)]
    return objective.couples_data, *(likelihood.couples_data for likelihood in likelihoods)


def losses(overrides):
    """(loss of 8 data, sum of those of the first 3 and the other 5) / 8, with the same noise."""
    model, guide, objective, (batch, _) = opened(*overrides, "data.binarisation=threshold")
    refuse_coupled(*reasons(model, objective))
    return measured(model, guide, objective, batch)


def measured(model, guide, objective, batch):
    with ConstantNoise(), torch.no_grad():
        whole, *parts = [
            float(objective.differentiable_loss(model, guide, *(x[rows] for x in batch)))
            for rows in (slice(0, 8), slice(0, 3), slice(3, 8))
        ]
    return whole / 8, sum(parts) / 8


@pytest.mark.parametrize(("axis", "choice"), CHOICES, ids=lambda value: value)
def test_every_choice_is_a_sum_over_data_or_says_so(axis, choice):
    if choice in COUPLED:
        with pytest.raises(RequestError, match=r"the whole batch, .*train it with one process"):
            losses([f"{axis}={choice}"])
        return
    whole, parts = losses([f"{axis}={choice}", *COMPANIONS.get((axis, choice), [])])
    assert whole == pytest.approx(parts, rel=1e-5)


@pytest.mark.parametrize("overrides", SCALES, ids=lambda overrides: overrides[-1])
def test_every_scale_of_the_gaussian(overrides):
    whole, parts = losses(overrides)
    assert whole == pytest.approx(parts, rel=1e-5)


@pytest.mark.parametrize("choice", COUPLED)
def test_what_says_so_is_coupled_indeed(choice):
    """The comparison can fail."""
    model, guide, objective, (batch, _) = opened(*COUPLED[choice])
    with pytest.raises(RequestError):
        refuse_coupled(*reasons(model, objective))
    if choice == "free_bits":  # a threshold at the KL of the whole, so between those of the parts
        whole = {}
        for objective.nats in (0.0, 100.0):
            whole[objective.nats], _ = measured(model, guide, objective, batch)
        objective.nats = 100 - (whole[100.0] - whole[0.0])
    whole, parts = measured(model, guide, objective, batch)
    assert whole != pytest.approx(parts, rel=1e-5)
