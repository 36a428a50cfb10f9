"""Bits per dimension of dequantized data, against the entropy that their levels have."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from data import View, open_dataset
from data.raw import RawData, RawSplit
from evaluation.bounds import Bounds
from evaluation.diagnostics import Diagnostics
from evaluation.result import Evaluation
from evidence import Estimate
from evidence.estimate import Exactly
from experiment import Run
from report.table import identity_groups

LEVELS, COUNT = 16, 20_000
LAW = stats.beta(2.0, 3.0)
MASS = np.diff(LAW.cdf(np.arange(LEVELS + 1) / LEVELS))
ENTROPY = float(-(MASS * np.log2(MASS)).sum())


def evaluation(space: str) -> Evaluation:
    """The evaluation of levels drawn from MASS, by the density whose integrals MASS are."""
    levels = np.random.default_rng(0).choice(LEVELS, (COUNT, 1), p=MASS).astype(np.uint8)
    split = RawSplit(levels)
    data = open_dataset(RawData(split, split, split, levels=LEVELS), "levels", View(space))
    x = data.test[:].double()
    # x is (v + u − m)/s in units of the standard deviation of v + u, or (v + u)/LEVELS.
    mean, sd = levels.mean() + 0.5, float(np.sqrt(levels.var() + 1 / 12))
    width = LEVELS / sd if space == "real" else 1.0  # of the unit interval, in the units of x
    inside = (x.numpy() * sd + mean) / LEVELS if space == "real" else x.numpy()
    assert inside.min() > -1e-6 and inside.max() < 1 + 1e-6  # but for the rounding of float32
    log_p = torch.as_tensor(LAW.logpdf(inside.clip(1e-9, 1 - 1e-9))[:, 0]) - np.log(width)
    bound = Estimate(log_p, "lower", 1)
    run = Run(None, {}, None, None, data, 1)  # type: ignore[arg-type]
    nothing = Diagnostics(None)  # type: ignore[arg-type]
    return Evaluation(run, "test", log_p, log_p, Bounds(bound, bound), "", nothing)


def bits(space: str) -> float:
    return evaluation(space).bits_per_dim().mean


def is_right(found: float) -> bool:
    """Whether it is within 0.05 bits of the entropy: the Monte Carlo error is 0.01."""
    return abs(found - ENTROPY) < 0.05


@pytest.mark.parametrize("space", ["unit", "real"])
def test_the_bits_of_levels_are_their_entropy(space: str) -> None:
    assert is_right(bits(space))


@pytest.mark.parametrize("space", ["unit", "real"])
def test_an_exact_density_still_bounds_the_bits_of_the_levels(space: str) -> None:
    """The mass of a level is the integral of the density, of which its mean log is a bound."""
    found = evaluation(space)
    exact = Estimate(found.bounds.iwae.per_datum, "exact", details=Exactly("closed form"))
    found = replace(found, bounds=replace(found.bounds, exact=exact))
    assert identity_groups(found)[0].rows[-1].note == "from exact, an upper bound"


@pytest.mark.parametrize("space", ["unit", "real"])
def test_the_jacobian_of_dequantization_left_out_is_rejected(
    space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted bug: the density taken for a mass."""
    from data import dataset

    right = dataset.observe

    def wrong(*arguments):
        return replace(right(*arguments), quantum=1.0)

    fine = bits(space)
    monkeypatch.setattr(dataset, "observe", wrong)
    with_width = bits(space)
    assert is_right(fine) and not is_right(with_width)
