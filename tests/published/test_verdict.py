"""Verdicts on planted numbers: each of the four, and what they do not follow from."""

import numpy as np
import pytest

from published.cell import registry
from published.reading import alone
from published.verdict import Interval, Measured, decided, interval, judged
from report.comparison.paired import Part

KNOWN = 1e9


def seeds(error, freedom=KNOWN):
    return (Part(error**2, freedom),)


@pytest.mark.parametrize(
    ("ours", "error", "better", "word"),
    [
        (-86.9, 0.05, "higher", "reproduced"),
        (-86.5, 0.05, "higher", "reproduced"),
        (-85.0, 0.05, "higher", "better"),
        (-88.0, 0.05, "higher", "worse"),
        (-88.0, 0.05, "lower", "better"),
        (-85.0, 0.05, "lower", "worse"),
        (-85.0, 0.05, "neither", "worse"),
        (-88.0, 0.05, "neither", "worse"),
        # Close to the claim, and so uncertain that it may lie anywhere.
        (-86.8, 2.0, "higher", "not comparable"),
        (float("nan"), 0.1, "higher", "not comparable"),
    ],
)
def test_each_verdict_follows_from_its_numbers(ours, error, better, word):
    found = interval(Measured(ours, seeds=seeds(error)), -86.76, 0.0, "shared")
    verdict = decided(found, 0.5, better)
    assert verdict.word == word
    assert bool(verdict.because) == (word == "not comparable")


def test_a_difference_within_the_margin_is_reproduced_only_if_its_interval_is():
    """The mistake that two one-sided tests are there to avoid: no evidence of a difference."""
    assert decided(Interval(0.1, -0.6, 0.8), 0.5, "higher").word == "not comparable"
    assert decided(Interval(0.1, -0.3, 0.4), 0.5, "higher").word == "reproduced"
    # A difference that is sure, and small, is reproduced; one beyond the margin is not.
    assert decided(Interval(0.2, 0.1, 0.3), 0.5, "higher").word == "reproduced"
    assert decided(Interval(0.4, 0.2, 0.6), 0.5, "higher").word == "better"


def test_the_interval_is_of_level_five_per_cent_on_each_side():
    """A figure that is just as far off as the margin is called reproduced in 5 % of repetitions."""
    generator = np.random.default_rng(0)
    words = []
    for _ in range(4000):
        ours = alone(0.5 + 0.3 * generator.standard_normal((4, 1)) * np.ones((1, 3)))
        found = interval(ours, 0.0, 0.0, "shared")
        words.append(decided(found, 0.5, "higher").word)
    share = np.mean([word == "reproduced" for word in words])
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    known = [
        interval(Measured(0.5 + 0.1 * z, seeds=seeds(0.1)), 0.0, 0.0, "shared")
        for z in generator.standard_normal(4000)
    ]
    share = np.mean([decided(found, 0.5, "higher").word == "reproduced" for found in known])
    assert 0.04 < share < 0.06


def test_images_count_only_where_the_figure_is_of_others_and_the_claims_error_always():
    ours = Measured(1.0, images=Part(4.0, KNOWN), seeds=seeds(1.0))
    half = {
        (images, se): interval(ours, 0.0, se, images).high - 1.0
        for images in ("shared", "sampled")
        for se in (0.0, 2.0)
    }
    assert half["shared", 0.0] == pytest.approx(1.645, abs=1e-3)
    assert half["sampled", 0.0] == pytest.approx(1.645 * 5**0.5, abs=1e-3)
    assert half["shared", 2.0] == pytest.approx(1.645 * 5**0.5, abs=1e-3)
    assert half["sampled", 2.0] == pytest.approx(1.645 * 3, abs=1e-3)


def test_errors_over_images_and_over_seeds_are_told_apart():
    images = np.linspace(-1, 1, 50)
    found = alone(np.stack([images, images + 3]))
    assert found.images.variance == pytest.approx(images.var(ddof=1) / 50)
    (part,) = found.seeds
    assert part.variance == pytest.approx(4.5 / 2) and part.freedom == 1
    assert alone(images[None]).seeds == ()


def test_a_cell_that_is_not_comparable_says_why_whatever_is_measured():
    cell = registry()["grey_bernoulli"]
    _, verdict = judged(cell, Measured(cell.claim.value, seeds=seeds(0.01)))
    assert verdict.word == "not comparable" and str(verdict).endswith(cell.not_comparable)
