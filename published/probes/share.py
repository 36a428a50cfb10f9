"""The expectation of an objective's gradient along that of IWAE, as a share of it."""

from inference.objectives.base import Objective
from inference.objectives.iwae import IWAE
from published.place import Place
from published.probes.gradients import gradients
from published.verdict import Measured
from report.comparison.paired import Part

PARTICLES, REPLICATES, GROUPS = 5, 2000, 20


def share(objective: Objective, place: Place) -> Measured:
    """Returns the share, 1 for a gradient of the same bound, with the error over groups."""
    count = 4 * GROUPS if place.quick else REPLICATES
    direction = gradients(IWAE(PARTICLES), count, seed=1).mean(0)
    other, ours = (
        (gradients(one, count, seed) @ direction).reshape(GROUPS, -1).mean(1).numpy()
        for seed, one in ((2, IWAE(PARTICLES)), (3, objective))
    )
    ratio = ours.mean() / other.mean()
    # The delta method; the two were drawn independently.
    parts = [ours / other.mean(), ratio * other / other.mean()]
    variance = float(sum(part.var(ddof=1) for part in parts)) / GROUPS
    return Measured(float(ratio), Part(variance, GROUPS - 1), num_examples=count)
