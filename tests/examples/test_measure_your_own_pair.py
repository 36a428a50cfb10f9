"""The example measures a pair that somebody else wrote, and its bounds are in their order."""

import itertools

import pyro
import pytest

from examples import measure_your_own_pair
from tests.evidence.statistics_checks import e_value_accepts, is_below


@pytest.mark.verify
def test_the_bounds_are_in_order_and_below_the_exact_value(capsys):
    """Five comparisons and two e-values at α = 1e-6 each: a false alarm has probability 7e-6."""
    found = measure_your_own_pair.main()
    pyro.clear_param_store()
    truth = found["log p(x)"]
    ladder = [found[name] for name in ("ELBO", "IWAE-10", "IWAE-1000", "log p(x)")]
    for lower, upper in itertools.pairwise(ladder):
        assert is_below(lower.per_datum, upper.per_datum)
    assert is_below(found["AIS-50"].per_datum, truth.per_datum)
    assert is_below(truth.per_datum, found["reverse AIS-50"].per_datum)
    for name in ("IWAE-1000", "AIS-50"):  # E p̂(x) = p(x)
        assert e_value_accepts(found[name].per_datum - truth.per_datum)
    assert found["ELBO"].mean < truth.mean - 0.05, (
        "the order would mean little if nothing was apart"
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(found) and "exact" in lines[-1]
