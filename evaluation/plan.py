"""Which stages an evaluation has, and about what each of them costs, in rows of the decoder."""

from collections.abc import Iterator

from torch import nn

from evaluation.diagnostics import MOST_COMPARED, MOST_WEIGHED, MOST_WEIGHTS
from evaluation.waiting import Stage
from evaluation.wanted import Wanted
from evidence.exact import tractable
from experiment.request import Request

# Rows for each datum of an integral, which has at most two dimensions, and as many of gradients as
# cost one: both were measured with the default networks.
NODES, GRADIENT = 2000, 3
# How often the chains of a datum move, about, until they have met and are drawn from.
STEPS_TO_MEET = 1000
DRAWS_FOR_CALIBRATION = 100
SECONDS_OF_FIGURES = 6.0


def stages(wanted: Wanted, request: Request, model: nn.Module, size: int) -> Iterator[Stage]:
    """Yields the stages of an evaluation of `size` data, in their order."""
    yield Stage("elbo", "ELBO", size * wanted.elbo_particles)
    yield Stage("iwae", f"IWAE-{wanted.particles}", size * wanted.particles)
    if wanted.exact != "off":
        yield Stage("exact", "log p(x)", size * NODES if request.latent_dim <= 2 else 0)
    if tractable(model) is not None:
        yield Stage("upper", "IW-EUBO", size * wanted.elbo_particles)
    weighed = min(size, MOST_WEIGHED) * MOST_WEIGHTS + min(size, MOST_COMPARED) ** 2
    yield Stage("weights", "weights and latent dimensions", weighed)
    if (plan := wanted.annealing) is not None:
        rows = plan.chains * plan.leapfrogs * min(size, wanted.annealed) * GRADIENT
        a_pass = rows * plan.temperatures
        met = STEPS_TO_MEET * rows / plan.chains
        yield Stage("annealing", "annealing", 2 * a_pass)
        yield Stage("simulated", "annealing of simulated data", 4 * a_pass)
        yield Stage("reverse-annealing", "annealing back from coupled chains", 2 * a_pass + met)
    if wanted.gap:
        few, fit = min(size, wanted.gap), wanted.fit
        fits = 2 * fit.restarts * fit.steps * fit.draws * few * GRADIENT
        for split in dict.fromkeys([wanted.split, "train"]):
            yield Stage(f"gap-of-{split}", f"log p(x) for the gap, {split}", few * NODES)
            yield Stage(f"fits-to-{split}", f"gap, {split}", fits)
    if wanted.simulations:
        yield Stage("calibration", "calibration", wanted.simulations * DRAWS_FOR_CALIBRATION)
