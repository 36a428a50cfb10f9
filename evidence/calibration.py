"""Simulation-based calibration: whether q(z|x) covers the truth as often as it says."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from evidence.batch import Batch
from evidence.counts import whole
from evidence.joint import Joint
from evidence.progress import steps
from evidence.upper import simulate
from evidence.weights import Program, split_batch

# Draws of the guide that are held at once for every datum of a part (see `split_batch`).
DRAWS_AT_ONCE = 32


@dataclass(frozen=True)
class Calibration:
    """The rank of z* among `draws` draws of q(z|x), for x simulated with z*.

    The ranks are uniform if q is p(z|x). `ranks` (simulations, latent) has one for every dimension
    of the unconstrained z*. `joint_ranks` (simulations,) is that of log p(x, z*): it tells a q
    whose dimensions are right one by one, but not together.
    """

    ranks: Int[Tensor, " simulations latent"]
    joint_ranks: Int[Tensor, " simulations"]
    draws: int

    @property
    def all_ranks(self) -> Int[Tensor, " simulations lines"]:
        """The ranks of every dimension, and last those of log p(x, z)."""
        return torch.cat([self.ranks, self.joint_ranks.unsqueeze(1)], 1)

    def excess(self) -> Float64[Tensor, " lines ranks"]:
        """Returns the ECDF of the ranks minus the uniform one, at the ranks 0 to `draws`."""
        grid = torch.arange(self.draws + 1, dtype=torch.float64, device=self.ranks.device)
        ecdf = (self.all_ranks.unsqueeze(-1) <= grid).double().mean(0)
        return ecdf - (grid + 1) / (self.draws + 1)

    def departure(self) -> Float64[Tensor, " lines"]:
        """Returns the largest distance of each ECDF from the uniform one."""
        return self.excess().abs().amax(-1)

    def band(self, alpha: float = 0.01) -> float:
        """Returns the half-width of a band that holds the ECDFs of uniform ranks.

        Any of them leaves it anywhere with probability at most `alpha`: Dvoretzky, Kiefer &
        Wolfowitz with Massart's constant (1990), which holds at all ranks at once and for discrete
        ranks too, with Bonferroni's correction over the dimensions.
        """
        return math.sqrt(math.log(2 * self.all_ranks.shape[1] / alpha) / (2 * len(self.ranks)))


@torch.no_grad()
def simulation_based_calibration(
    model: Program, guide: Program, like: Tensor | tuple[Tensor, ...], draws: int = 99
) -> Calibration:
    """Ranks z* among draws of q(z|x), for pairs (x, z*) simulated from the model.

    See Talts et al. (2018).

    Arguments:
        model: The Pyro program p(x, z).
        guide: The Pyro program q(z|x).
        like: Data (simulations, *shape), or columns: as many pairs are simulated as they have rows,
            with the same shapes and labels. At least 1000 are advised.
        draws: Draws of q for every simulated x.

    Returns:
        The ranks, which are uniform on 0, …, `draws` if q is the posterior.

    Example:
        >>> import pyro, pyro.distributions as dist
        >>> def model(x):
        ...     with pyro.plate("data", len(x)):
        ...         z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        ...         pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x)
        >>> def posterior(x):
        ...     with pyro.plate("data", len(x)):
        ...         pyro.sample("z", dist.Normal(x / 2, 0.5**0.5).to_event(1))
        >>> found = simulation_based_calibration(model, posterior, torch.zeros(400, 1))
        >>> bool((found.departure() < found.band(1e-6)).all())
        True
    """
    draws = whole("draws", draws)
    simulated, latents = simulate(model, guide, like)
    x = Batch.of(simulated)
    ranks, joint_ranks = [], []
    parts = split_batch((*x, *latents.values()), draws, model)
    for part in steps(parts, "simulation", size=lambda part: part.size):
        drawn = dict(zip(latents, part[len(x) :], strict=True))
        rank, joint_rank = _ranks(Joint(model, guide, part[: len(x)]), drawn, draws)
        ranks.append(rank)
        joint_ranks.append(joint_rank)
    return Calibration(torch.cat(ranks), torch.cat(joint_ranks), draws)


def _ranks(
    joint: Joint, drawn: dict[str, Tensor], draws: int
) -> tuple[Int[Tensor, " N latent"], Int[Tensor, " N"]]:
    """Returns the ranks of every dimension of `drawn`, and of log p(x, z) there."""
    truth = joint.unconstrain(drawn)
    log_truth = torch.stack(joint.model_terms(truth)).sum(0)
    rank = torch.zeros_like(truth, dtype=torch.int64)
    joint_rank = torch.zeros(len(truth), dtype=torch.int64, device=truth.device)
    for start in steps(range(0, draws, DRAWS_AT_ONCE)):
        count = min(DRAWS_AT_ONCE, draws - start)
        u = joint.draw_guide(count)
        rank += (u.reshape(count, *truth.shape) < truth).sum(0)
        log_joint = torch.stack(joint.model_terms(u)).sum(0).reshape(count, -1)
        joint_rank += (log_joint < log_truth).sum(0)
    return rank, joint_rank
