"""The slope of the gap of annealing on the number of temperatures, with perfect transitions."""

import numpy as np
import torch

from benchmarks.annealing_gap import log_slope, perfect_gap
from evidence import Annealing
from evidence.estimate import standard_error
from models.joints import FactorAnalysis
from published.place import Place
from published.verdict import KNOWN, Measured
from report.comparison.paired import Part

TEMPERATURES, DATA = (16, 32, 64, 128, 256), 2000


def measure(place: Place) -> Measured:
    """Returns the slope of log gap on log T, by weighted least squares."""
    count = 50 if place.quick else DATA
    weight = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    joint = FactorAnalysis(weight, torch.zeros(6), 0.3)
    points = []
    for temperatures in TEMPERATURES:
        torch.manual_seed(temperatures)
        x = joint.conditional(joint.prior().sample((count,))).sample()
        gap = perfect_gap(joint, x, Annealing(temperatures, 1, 1, "prior", "linear"))
        points.append((temperatures, float(gap.mean()), standard_error(gap)))
    slope, error = log_slope(np.array(points))
    return Measured(slope, Part(error**2, KNOWN), num_examples=count)
