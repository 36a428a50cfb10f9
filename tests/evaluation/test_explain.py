"""What the diagnostics say of numbers that a test chooses."""

import pytest
import torch

from evaluation.bracket import SimulatedBracket
from evaluation.explain import explain
from evaluation.rate_distortion import RateDistortion
from evidence import Estimate
from evidence.annealing import Bracket
from evidence.calibration import Calibration
from evidence.reliability import Reliability
from evidence.usage import LatentUsage

ONES = torch.ones(4, dtype=torch.float64)


@pytest.mark.parametrize(
    ("k", "words"),
    [
        ([0.1, 0.2], "for every datum"),
        ([0.1, 0.9], "for 50% of the data"),
        ([0.9, 0.9], "for 100% of the data"),
    ],
)
def test_reliability_names_the_share_of_bad_data(k: list[float], words: str) -> None:
    found = Reliability(torch.tensor(k).double(), ONES[:2], 1000)
    assert words in explain(found)


@pytest.mark.parametrize(
    ("activity", "information", "words"),
    [
        ([1.0, 1.0, 0.0], 1.5, "2 of 3 latent dimensions are in use (unused: 2; take fewer"),
        ([1.0, 1.0], 1.5, "2 of 2 latent dimensions are in use; z carries 1.50 nats about x"),
        ([1.0], 4.6, "z tells 100 data apart"),
        ([0.0] * 8, 0.0, "(unused: 0, 1, 2, 3, 4, 5, …; take fewer"),
    ],
)
def test_usage_names_what_is_not_used(
    activity: list[float], information: float, words: str
) -> None:
    found = LatentUsage(torch.tensor(activity).double(), 5.0, information, num_examples=100)
    assert words in explain(found)


def ranks(*columns: bool) -> Calibration:
    """Ranks that are uniform in the columns that are right, and all 0 in the others."""
    uniform = torch.arange(100).repeat(10)
    *each, joint = (uniform if right else torch.zeros_like(uniform) for right in columns)
    return Calibration(torch.stack(each, 1), joint, draws=99)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ranks(True, True, True), "no bias or wrong width shows"),
        (ranks(True, True, False), "for log p(x, z) alone"),
        (ranks(True, False, True), "in 1 of 2 dimensions (1): q is biased"),
        (ranks(False, False, False), "in 2 of 2 dimensions (0, 1) and for log p(x, z): q is"),
    ],
)
def test_calibration_names_what_leaves_the_band(found: Calibration, words: str) -> None:
    assert words in explain(found)


@pytest.mark.parametrize(
    ("upper", "iwae", "words"),
    [
        (1.5, 0.5, ["a gap of 0.50 ± 0.00 nats (AIS is as near", "0.50 ± 0.00 nats below"]),
        (4.0, 1.2, ["a gap of 3.00 ± 0.00 nats (too wide: take more", "0.20 ± 0.00 nats above"]),
    ],
)
def test_a_bracket_says_its_width_and_where_iwae_lies(
    upper: float, iwae: float, words: list[str]
) -> None:
    bracket = Bracket(Estimate(ONES, "lower", 2), Estimate(upper * ONES, "upper", 2))
    said = explain(SimulatedBracket(bracket, Estimate(iwae * ONES, "lower", 64)))
    assert all(word in said for word in ["On 4 data simulated", "IWAE-64", *words])


@pytest.mark.parametrize(("rate", "words"), [(0.05, "next to nothing"), (5.0, "objective=beta")])
def test_a_code_that_says_nothing_is_called_so(rate: float, words: str) -> None:
    assert words in explain(RateDistortion(rate * ONES, 20 * ONES, 100))


def test_what_is_no_diagnostic_is_refused() -> None:
    with pytest.raises(TypeError, match="nothing explains a list"):
        explain([])
