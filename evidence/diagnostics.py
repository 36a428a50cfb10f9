"""Whether the numbers can be trusted, and what the latents are used for. Every result explains itself in a sentence."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from arviz_stats.base import array_stats
from jaxtyping import Float64, Int
from torch import Tensor

from evidence.batch import Data as Batch
from evidence.joint import Joint
from evidence.upper import simulate
from evidence.weights import Program, as_batch, log_weights, split_batch

COLLAPSED = 1e-2
"""Variance of the posterior means below which a dimension counts as unused (Burda et al. 2016, appendix C)."""
ACTIVITY_DRAWS = 100
"""For E_q[z_d|x]: of 200 data the activity then has a standard error of 1e-3; of 4 draws 3e-2, more than COLLAPSED."""
UNDERFLOW = 700.0
"""Nats below the largest weight at which a float64 is 0."""
DRAWS_AT_ONCE = 32
"""Of the guide for every datum of a part (see `split_batch`), in the ranks."""


@dataclass(frozen=True)
class Reliability:
    """Per datum: Pareto k̂ of the importance weights, and their effective number (Σw)²/Σw²."""

    pareto_k: Float64[Tensor, " batch"]
    effective_size: Float64[Tensor, " batch"]
    particles: int

    @property
    def threshold(self) -> float:
        """Above it the weights' mean is not to be trusted at this number: min(1 − 1/log₁₀ S, 0.7) (Vehtari et al. 2024)."""
        return min(1 - 1 / math.log10(self.particles), 0.7)

    @property
    def bad(self) -> float:
        """The share of data above the threshold."""
        return float((self.pareto_k > self.threshold).double().mean())

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        k, size = self.pareto_k, self.effective_size
        return {
            "pareto_k": {
                "share_bad": self.bad,
                "threshold": self.threshold,
                "median": float(k.median()),
                "particles": self.particles,
                "num_examples": len(k),
            },
            "effective_sample_size": {
                "median": float(size.median()),
                "smallest": float(size.min()),
            },
        }

    def explain(self) -> str:
        """In a sentence, with what to do about a bad value."""
        if self.bad == 0:
            return f"k̂ is below {self.threshold:.2f} for every datum: no few weights decide the estimate, IWAE can be trusted."
        return (
            f"k̂ is above {self.threshold:.2f} for {self.bad:.0%} of the data: there a few weights decide the estimate, and "
            "IWAE reads low; take more particles, a richer guide, or annealing."
        )


@torch.no_grad()
def reliability(model: Program, guide: Program, x: Batch, num_particles: int = 1000) -> Reliability:
    """k̂ and effective sample size of the weights of every datum, from `num_particles` ≥ 25 draws."""
    if num_particles < 25:
        raise ValueError(f"num_particles={num_particles}: a tail needs at least 25 draws")
    k: list[float] = []
    size: list[Tensor] = []
    for part in split_batch(x, num_particles, model):
        log_w = log_weights(model, guide, part, num_particles)
        size.append((2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp())
        k.extend(pareto_k(column) for column in log_w.T.cpu().numpy())
    return Reliability(torch.tensor(k, dtype=torch.float64), torch.cat(size).cpu(), num_particles)


def pareto_k(log_weights: np.ndarray) -> float:
    """The shape of the generalised Pareto tail of the weights (S,); −∞ where they are all equal, ∞ where so few weights
    decide that most of the tail is nothing beside them."""
    if log_weights.max() == -math.inf:
        return math.inf
    if np.ptp(log_weights) < 1e-9:
        return -math.inf
    size = len(log_weights)
    tail = np.sort(log_weights)[-math.ceil(min(size / 5, 3 * math.sqrt(size))) :]
    # The fit divides by the tail's first quartile: where that underflows, what it returns is its prior, a small k̂.
    if tail[-1] - tail[len(tail) // 4] > UNDERFLOW:
        return math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # psislw is written for leave-one-out and negates its argument.
        _, k = array_stats.psislw(-(log_weights - log_weights.max()))
    return float(k)


@dataclass(frozen=True)
class LatentUsage:
    """What q(z|x) tells about x, in nats, over the data measured.

    `rate` E KL(q(z|x)‖p(z)) = `mutual_information` I_q(x; z) + `marginal_kl` KL(q(z)‖p(z)) (Hoffman & Johnson 2016), q(z)
    being the mixture of q(z|x) over these N data: the mutual information cannot exceed log N. `activity` is the variance
    over data of E_q[z_d|x].
    """

    activity: Float64[Tensor, " latent"]
    rate: float
    mutual_information: float
    num_examples: int

    @property
    def marginal_kl(self) -> float:
        """KL(q(z)‖p(z)): how far the codes of the data are from what the prior draws."""
        return self.rate - self.mutual_information

    @property
    def active_units(self) -> int:
        """Dimensions whose posterior mean varies with x."""
        return int((self.activity > COLLAPSED).sum())

    @property
    def collapsed(self) -> list[int]:
        """The dimensions that do not."""
        return torch.nonzero(self.activity <= COLLAPSED).flatten().tolist()

    @property
    def saturated(self) -> bool:
        """Whether the mutual information is at its ceiling log N: more data would show more of it."""
        return self.mutual_information > 0.95 * math.log(self.num_examples)

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        return {
            "active_units": self.active_units,
            "latent_dim": len(self.activity),
            "collapsed": self.collapsed,
            "mutual_information": self.mutual_information,
            "marginal_kl": None if self.saturated else self.marginal_kl,
        }

    def explain(self) -> str:
        """In a sentence, with what to do about a bad value."""
        names = ", ".join(map(str, self.collapsed[:6])) + (", …" if len(self.collapsed) > 6 else "")
        used = f"{self.active_units} of {len(self.activity)} latent dimensions are in use"
        unused = (
            f" (unused: {names}; take fewer, or weigh the KL less early in training)"
            if self.collapsed
            else ""
        )
        ceiling = f"log N = {math.log(self.num_examples):.2f}"
        if self.saturated:
            return f"{used}{unused}; z tells {self.num_examples} data apart (I_q(x; z) ≈ {ceiling} nats)."
        return (
            f"{used}{unused}; z carries {self.mutual_information:.2f} nats about x (at most {ceiling} can be seen), q(z) is "
            f"{self.marginal_kl:.2f} nats from the prior: if that is much, prior samples are unlike codes; learn the prior."
        )


@torch.no_grad()
def latent_usage(model: Program, guide: Program, x: Batch, draws: int = 50) -> LatentUsage:
    """Active units, rate, I_q(x; z) and KL(q(z)‖p(z)), for a guide with one latent site. Costs N² evaluations of q for each
    of the `draws`; the active units, which need none, come from more draws."""
    batch = as_batch(x)
    joint = Joint(model, guide, batch)
    count = len(batch[0])
    many = joint.draw_guide(max(draws, ACTIVITY_DRAWS)).double().unflatten(0, (-1, count))
    # The draws' mean varies by the draws' own noise too: take that off.
    activity = many.mean(0).var(0) - many.var(0).mean(0) / len(many)
    u = many[:draws]
    log_q = torch.stack(
        [_log_guide_matrix(joint, part) for part in u]
    )  # (draws, datum of z, datum of q)
    own = log_q.diagonal(dim1=1, dim2=2)
    mutual_information = float((own - (log_q.logsumexp(2) - math.log(count))).mean())
    flat = (
        u.flatten(0, 1).to(joint.batch[0].dtype)
        if batch[0].is_floating_point()
        else u.flatten(0, 1)
    )
    log_prior, _ = joint.model_terms(flat)
    rate = float(own.mean() - log_prior.mean())
    return LatentUsage(activity, rate, mutual_information, count)


def _log_guide_matrix(joint: Joint, u: Tensor) -> Float64[Tensor, " z q"]:
    """log q(z_i|x_j): every z under the guide of every datum."""
    like = joint.batch[0].dtype if joint.batch[0].is_floating_point() else u.dtype
    count = len(u)
    shifted = torch.stack([torch.roll(u, -k, 0) for k in range(count)]).flatten(0, 1).to(like)
    by_shift = joint.log_guide(shifted).reshape(count, count)  # [k, j] = log q(z_{j+k}|x_j)
    rows = (torch.arange(count).unsqueeze(1) + torch.arange(count)) % count
    matrix = torch.empty_like(by_shift)
    matrix[rows, torch.arange(count).expand(count, count)] = by_shift
    return matrix


@dataclass(frozen=True)
class Calibration:
    """Where z* falls among `draws` draws of q(z|x), for x simulated with z*: uniform ranks, if q is p(z|x).

    `ranks` (simulations, latent) of every dimension of the unconstrained z*, and `joint_ranks` (simulations,) of
    log p(x, z*), which tells a q whose dimensions are right one by one, but not together.
    """

    ranks: Int[Tensor, " simulations latent"]
    joint_ranks: Int[Tensor, " simulations"]
    draws: int

    @property
    def all_ranks(self) -> Int[Tensor, " simulations latent+1"]:
        """Of every dimension, and last of log p(x, z)."""
        return torch.cat([self.ranks, self.joint_ranks.unsqueeze(1)], 1)

    def excess(self) -> Float64[Tensor, " latent+1 draws+1"]:
        """The ranks' ECDF minus the uniform one, at ranks 0 to `draws`."""
        grid = torch.arange(self.draws + 1, dtype=torch.float64, device=self.ranks.device)
        ecdf = (self.all_ranks.unsqueeze(-1) <= grid).double().mean(0)
        return ecdf - (grid + 1) / (self.draws + 1)

    def departure(self) -> Float64[Tensor, " latent+1"]:
        """The largest distance of each ECDF from the uniform one."""
        return self.excess().abs().amax(-1)

    def band(self, alpha: float = 0.01) -> float:
        """A band that the ECDFs of uniform ranks leave anywhere, any of them, with probability at most `alpha`.

        Dvoretzky, Kiefer & Wolfowitz with Massart's constant (1990), which holds at all ranks at once and for discrete
        ranks too; Bonferroni over the dimensions.
        """
        return math.sqrt(math.log(2 * self.all_ranks.shape[1] / alpha) / (2 * len(self.ranks)))

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        *each, joint = self.departure().tolist()
        return {
            "calibration": {
                "departures": each,
                "joint_departure": joint,
                "band": self.band(),
                "simulations": len(self.ranks),
                "draws": self.draws,
            }
        }

    def explain(self) -> str:
        """In a sentence, with what to do about a bad value."""
        *each, joint = (self.departure() > self.band()).tolist()
        bad = [str(number) for number, outside in enumerate(each) if outside]
        head = f"Calibration: on {len(self.ranks)} simulated data the ranks of z* among {self.draws} draws of q"
        band = f"the 99 % band of ±{self.band():.3f}"
        if not bad and not joint:
            return f"{head} stay in {band}, in every dimension and for log p(x, z): no bias or wrong width shows."
        if not bad:
            return (
                f"{head} leave {band} for log p(x, z) alone: q is right in each dimension but not in how they hang together; "
                "take a guide with correlations."
            )
        where = f"{len(bad)} of {len(each)} dimensions ({', '.join(bad[:6])}{', …' if len(bad) > 6 else ''})"
        where += " and for log p(x, z)" if joint else ""
        return f"{head} leave {band} in {where}: q is biased or of the wrong width; take a richer guide or train longer."


@torch.no_grad()
def simulation_based_calibration(
    model: Program, guide: Program, like: Batch, draws: int = 99
) -> Calibration:
    """Ranks of z* in q(z|x) for as many simulated pairs as `like` has rows (Talts et al. 2018); ≥ 1000 are advised."""
    x, latents = simulate(model, guide, like)
    names, columns = list(latents), as_batch(x)
    ranks, joint_ranks = [], []
    for part in split_batch((*columns, *latents.values()), draws, model):
        joint = Joint(model, guide, part[: len(columns)])
        truth = joint.unconstrain(dict(zip(names, part[len(columns) :], strict=True)))
        rank, log_rank = (
            torch.zeros_like(truth, dtype=torch.int64),
            torch.zeros(len(truth), dtype=torch.int64, device=truth.device),
        )
        log_truth = torch.stack(joint.model_terms(truth)).sum(0)
        for start in range(0, draws, DRAWS_AT_ONCE):
            count = min(DRAWS_AT_ONCE, draws - start)
            u = joint.draw_guide(count)
            rank += (u.reshape(count, *truth.shape) < truth).sum(0)
            log_joint = torch.stack(joint.model_terms(u)).sum(0).reshape(count, -1)
            log_rank += (log_joint < log_truth).sum(0)
        ranks.append(rank)
        joint_ranks.append(log_rank)
    return Calibration(torch.cat(ranks), torch.cat(joint_ranks), draws)
