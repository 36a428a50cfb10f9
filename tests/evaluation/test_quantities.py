"""Quantities are what figures and pages show, and need no torch where files are read."""

import math
import subprocess
import sys

import pytest
import torch

from evaluation.quantities import curve, equal_elbos, path_of_rates
from evaluation.summary import effort, ladder
from evidence import Estimate
from report.names import bound_name, latent_name
from tests.conftest import ROOT


def records(count):
    return [
        {"epoch": epoch, "split": split, "elbo": -float(epoch), "kl": 2.0, "reconstruction": -9.0}
        for epoch in range(1, count + 1)
        for split in ("train", "valid")
    ]


def test_a_curve_has_the_points_of_its_split_and_its_scale_leaves_out_the_first():
    line = curve(records(40), "elbo", "valid")
    assert line.points == tuple((epoch, -float(epoch)) for epoch in range(1, 41))
    assert line.settled == line.values[2:]
    assert line.thinned(10) == [*line.points[::4], line.points[-1]]


@pytest.mark.parametrize(
    "damage", [{"elbo": "x"}, {"elbo": None}, {"elbo": math.nan}, {"epoch": "x"}, {"epoch": None}]
)
def test_a_damaged_record_has_no_point(damage):
    broken = [{"epoch": 9, "split": "valid", "elbo": 0.0} | damage, {}]
    assert curve(records(3) + broken, "elbo", "valid") == curve(records(3), "elbo", "valid")


def test_the_path_of_rates_pairs_the_terms_of_one_epoch():
    """An epoch that has lost one of the terms would shift all that follow."""
    lines = records(3)
    del lines[1]["kl"]
    lines[-1]["kl"] = 5.0
    assert path_of_rates(lines) == [(2.0, 9.0), (5.0, 9.0)]


def test_a_line_of_equal_elbo_stays_inside_the_picture():
    lines = equal_elbos((0.0, 4.0), (10.0, 12.0), count=3)
    assert [line.elbo for line in lines] == [-11.5, -13.0, -14.5]
    for line in lines:
        for rate, distortion in (line.start, line.end):
            assert 0 <= rate <= 4 and 10 <= distortion <= 12
            assert rate + distortion == pytest.approx(-line.elbo)


def test_distances_are_paired_on_the_data_that_both_bounds_have():
    """A difference of means would tell how hard the first data are, not how tight the bound is."""
    elbo = torch.tensor([-1.0, -2.0, -30.0], dtype=torch.float64)
    bounds = {
        "elbo": Estimate(elbo, "lower", 100),
        "iwae": Estimate(elbo + 1, "lower", 5000),
        "ais": Estimate(elbo[:2] + 1.5, "lower", 16),
    }
    found = ladder(bounds, "iwae")
    assert [rung.name for rung in found.rungs] == ["elbo", "iwae", "ais"]
    assert [rung.distance.mean for rung in found.rungs] == [-1.0, 0.0, 0.5]
    assert [rung.distance.num_examples for rung in found.rungs] == [3, 3, 2]
    assert found.reference.effort == 5000


def test_a_single_datum_shows_no_error():
    bounds = {"iwae": Estimate(torch.zeros(1, dtype=torch.float64), "lower", 10)}
    (rung,) = ladder(bounds, "iwae").rungs
    assert rung.error == 0.0 and math.isnan(rung.distance.standard_error)


def test_names_say_how_much_a_bound_took():
    iwae = Estimate(torch.zeros(2, dtype=torch.float64), "lower", 5000)
    assert bound_name("iwae", effort(iwae)) == "IWAE-5000"
    assert bound_name("elbo", 100) == "ELBO" and bound_name("exact") == "log p(x)"
    assert latent_name("z", 11) == "z₁₂" and latent_name("z2", 0) == "z2[1]"


def test_a_comparison_can_use_them_without_torch():
    code = "import sys, evaluation.quantities, report.names; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
