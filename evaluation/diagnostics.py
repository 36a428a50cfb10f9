"""Whether the numbers of an evaluation can be trusted, and what the latent dimensions are for."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from data import Split
from evaluation.bracket import SimulatedBracket
from evaluation.gap import Gap
from evaluation.rate_distortion import RateDistortion
from evidence.batch import Batch
from evidence.calibration import Calibration, simulation_based_calibration
from evidence.reliability import Reliability, reliability
from evidence.usage import LatentUsage, latent_usage
from evidence.weights import draw
from experiment.recipes.base import Pair
from inference.classification import classes_of, wrong


@dataclass(frozen=True)
class Classification:
    """Whether argmax q(y|x) is another than the label of each datum, 1 or 0."""

    wrong: Float64[Tensor, " N"]


Diagnostic = (
    Reliability
    | LatentUsage
    | RateDistortion
    | SimulatedBracket
    | Gap
    | Calibration
    | Classification
)

# How many of the data have their weights fitted, and how many are compared pair by pair.
MOST_WEIGHED = 500
MOST_COMPARED = 200
# Draws for k̂, whatever the number of particles of IWAE is.
FEWEST_WEIGHTS, MOST_WEIGHTS = 100, 1000


@dataclass(frozen=True)
class Diagnostics:
    """What was found about a run beside its bounds.

    `usage` is None for a single datum and for a guide with several latent sites, `classification`
    for a guide that guesses no labels and for data without, the three before it unless they were
    asked for, and all that an evaluation has not come to.
    """

    rate_distortion: RateDistortion
    reliability: Reliability | None = None
    usage: LatentUsage | None = None
    annealing: SimulatedBracket | None = None
    gap: Gap | None = None
    calibration: Calibration | None = None
    classification: Classification | None = None

    @property
    def parts(self) -> list[Diagnostic]:
        """The diagnostics that were measured, in the order in which they are told."""
        every = (
            self.reliability,
            self.annealing,
            self.gap,
            self.rate_distortion,
            self.usage,
            self.calibration,
            self.classification,
        )
        return [part for part in every if part is not None]


@torch.no_grad()
def weigh(pair: Pair, batch: Batch, particles: int) -> Reliability:
    """Returns k̂ and the effective sample size of the first data."""
    draws = min(max(particles, FEWEST_WEIGHTS), MOST_WEIGHTS)
    return reliability(*pair, batch.first(MOST_WEIGHED), draws)


@torch.no_grad()
def usage(pair: Pair, batch: Batch) -> LatentUsage | None:
    """Returns what the latents of the first data are used for.

    Returns None for a single datum, and for a guide with several latent sites.
    """
    if batch.size == 1 or len(draw(*pair, batch.first(1), 1).latents) > 1:
        return None
    return latent_usage(*pair, batch.first(MOST_COMPARED), draws=4)


def classification(pair: Pair, split: Split, count: int) -> Classification | None:
    """Returns how the first `count` data of `split` are classified."""
    labels = split.labels
    guesses = classes_of(*pair, Batch.of(split[:count]))
    if labels is None or guesses is None:
        return None
    return Classification(wrong(guesses, labels[:count]))


def calibration(pair: Pair, batch: Batch, simulations: int) -> Calibration:
    """Returns the ranks of the truth on simulated data.

    Of `batch` only the number of its data and their labels matter: it is repeated if there are
    fewer data than simulations.
    """
    times = -(-simulations // batch.size)
    return simulation_based_calibration(*pair, batch.repeat(times).first(simulations))
