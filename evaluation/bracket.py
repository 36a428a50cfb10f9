"""Annealed importance sampling of real data, and from both sides of data that the model drew."""

from dataclasses import dataclass

from evaluation.blocks import estimate_blockwise
from evidence import Annealing, Estimate, ais, iwae, posterior_draws, reverse_ais, simulate
from evidence.annealing import Bracket
from evidence.batch import Batch
from evidence.progress import Loop
from experiment.recipes.base import Pair

# Data that are annealed at once, each with all its chains.
BLOCK = 50


@dataclass(frozen=True)
class SimulatedBracket:
    """Bounds on log p(x) of data that the model drew, where they are known from both sides.

    How wide `bracket` is says how far annealing ends from log p(x) there.
    """

    bracket: Bracket
    iwae: Estimate


def anneal(pair: Pair, batch: Batch, plan: Annealing) -> Estimate:
    """Returns a lower bound on log p(x) for every datum of `batch`."""
    return estimate_blockwise(lambda part: ais(*pair, part, plan), batch, BLOCK)


def anneal_back(pair: Pair, batch: Batch, plan: Annealing) -> Estimate:
    """Returns an upper bound on log p(x) for every datum of `batch`, in expectation.

    Coupled chains stand in for the exact draws of p(z|x), which are not known for real data.
    """

    def backward(part: Batch) -> Estimate:
        return posterior_draws(*pair, part).upper(lambda x, z: reverse_ais(*pair, x, z, plan))

    return estimate_blockwise(backward, batch, BLOCK, loops=2)


def bracket_simulated(pair: Pair, like: Batch, plan: Annealing, particles: int) -> SimulatedBracket:
    """Simulates as many data as `like` has, and bounds their log p(x) from both sides.

    This is bidirectional Monte Carlo (Grosse et al. 2015): the latents that a datum was drawn with
    are one exact draw of its posterior, which reverse annealing starts from.
    """
    simulated, latents = simulate(*pair, like)
    x = Batch.of(simulated)

    def backward(part: Batch) -> Estimate:
        drawn = dict(zip(latents, part[len(x) :], strict=True))
        return reverse_ais(*pair, Batch(part[: len(x)]), drawn, plan)

    columns = Batch((*x, *latents.values()))
    with Loop(loops=3):
        upper = estimate_blockwise(backward, columns, BLOCK)
        below = estimate_blockwise(lambda part: iwae(*pair, part, particles), x)
        return SimulatedBracket(Bracket(anneal(pair, x, plan), upper), below)
