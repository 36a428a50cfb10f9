"""Whether importance weights can be trusted: their Pareto tail and their effective number."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from evidence.batch import Batch
from evidence.counts import whole
from evidence.progress import steps
from evidence.weights import Program, log_weights, split_batch

# Draws below which the fit of a tail says nothing.
FEWEST_DRAWS = 25
# Nats below the largest weight at which a weight is 0 in float64.
UNDERFLOW = 700.0


@dataclass(frozen=True)
class Reliability:
    """Per datum: Pareto k̂ of the importance weights, and their effective number (Σw)²/Σw².

    Both come from `particles` draws for every datum.
    """

    pareto_k: Float64[Tensor, " batch"]
    effective_size: Float64[Tensor, " batch"]
    particles: int

    @property
    def threshold(self) -> float:
        """The k̂ above which the mean of that many weights is not to be trusted.

        It is min(1 − 1/log₁₀ S, 0.7) for S particles (Vehtari et al. 2024).
        """
        return min(1 - 1 / math.log10(self.particles), 0.7)

    @property
    def bad(self) -> float:
        """The share of data above the threshold."""
        return float((self.pareto_k > self.threshold).double().mean())


@torch.no_grad()
def reliability(
    model: Program, guide: Program, x: Tensor | tuple[Tensor, ...], num_particles: int = 1000
) -> Reliability:
    """Measures how far the importance weights of every datum can be trusted.

    Arguments:
        model: The Pyro program p(x, z).
        guide: The Pyro program q(z|x).
        x: The data (batch, *shape), or the columns that the programs are called with.
        num_particles: Draws from the guide for every datum, at least 25.

    Returns:
        k̂ and the effective sample size of every datum, on the CPU.

    Raises:
        ValueError: There are too few particles for a tail.

    Example:
        >>> import pyro, pyro.distributions as dist
        >>> def model(x):
        ...     with pyro.plate("data", len(x)):
        ...         z = pyro.sample("z", dist.Normal(0 * x, 1.0).to_event(1))
        ...         pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)
        >>> def posterior(x):
        ...     with pyro.plate("data", len(x)):
        ...         pyro.sample("z", dist.Normal(x / 2, 0.5**0.5).to_event(1))
        >>> found = reliability(model, posterior, torch.zeros(3, 1).double(), 100)
        >>> found.bad, found.effective_size.round().tolist()
        (0.0, [100.0, 100.0, 100.0])
    """
    num_particles = whole("num_particles", num_particles, FEWEST_DRAWS)
    k: list[float] = []
    size: list[Tensor] = []
    for part in steps(split_batch(Batch.of(x), num_particles, model), loops=2):
        log_w = log_weights(model, guide, part, num_particles)
        size.append(effective_size(log_w))
        k.extend(pareto_k(column) for column in steps(log_w.T.cpu().numpy()))
    return Reliability(torch.tensor(k, dtype=torch.float64), torch.cat(size).cpu(), num_particles)


def effective_size(log_weights: Float64[Tensor, " particles batch"]) -> Float64[Tensor, " batch"]:
    """Returns (Σw)²/Σw² of every datum: 0 where all weights are 0."""
    size = (2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)).exp()
    return size.masked_fill(log_weights.amax(0) == -math.inf, 0.0)


def pareto_k(log_weights: np.ndarray) -> float:
    """Fits a generalized Pareto tail to the weights (S,) of one datum and returns its shape k̂.

    It is −∞ where all weights are equal, and ∞ where so few of them decide that most of the tail is
    nothing beside them.

    >>> pareto_k(np.zeros(100))
    -inf
    """
    if log_weights.max() == -math.inf:
        return math.inf
    if np.ptp(log_weights) < 1e-9:
        return -math.inf
    size = len(log_weights)
    tail = np.sort(log_weights)[-math.ceil(min(size / 5, 3 * math.sqrt(size))) :]
    # The fit divides by the tail's first quartile. Where that underflows, the fit returns its
    # prior, which is a small k̂.
    if tail[-1] - tail[len(tail) // 4] > UNDERFLOW:
        return math.inf
    from arviz_stats.base import array_stats  # SciPy comes with it: half a second

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # psislw is written for leave-one-out cross-validation and negates its argument.
        _, k = array_stats.psislw(-(log_weights - log_weights.max()))
    return float(k)
