"""The slope of the logarithm of the gradient's signal-to-noise ratio on log K."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from inference.objectives.base import Objective
from published.place import Place
from published.probes.gradients import gradients
from published.verdict import Measured
from report.comparison.paired import Part

PARTICLES = (8, 16, 32, 64, 128, 256, 512)
REPLICATES, GROUPS = 1200, 10


def slope(objective: Callable[[int], Objective], place: Place) -> Measured:
    """Returns the slope, whose error comes from leaving out a group of gradients at a time."""
    particles = PARTICLES[:3] if place.quick else PARTICLES
    count = 10 * GROUPS if place.quick else REPLICATES
    found = [gradients(objective(k), count, seed=k) for k in particles]
    logs = np.log(particles)

    def fitted(kept: slice | Tensor) -> float:
        ratios = [np.log(signal_to_noise(g[kept])) for g in found]
        return float(np.polyfit(logs, ratios, 1)[0])

    groups = torch.arange(count) % GROUPS
    without = np.array([fitted(groups != group) for group in range(GROUPS)])
    variance = (GROUPS - 1) * float(without.var())
    return Measured(fitted(slice(None)), Part(variance, GROUPS - 1), num_examples=count)


def signal_to_noise(found: Float64[Tensor, " count dimensions"]) -> float:
    """Returns |E g| / √tr Cov g; what noise adds to the square of the mean is taken off."""
    noise = float(found.var(0).sum())
    signal = float(found.mean(0).square().sum()) - noise / len(found)
    return float(np.sqrt(max(signal, 1e-12 * noise) / noise))
