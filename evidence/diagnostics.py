"""Whether the numbers can be trusted, and what the latents are used for. Every result explains itself in a sentence."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from arviz_stats.base import array_stats
from jaxtyping import Float64, Int
from torch import Tensor

from evidence.joint import Joint
from evidence.upper import simulate
from evidence.weights import Batch, Program, as_batch, log_weights, split_batch

COLLAPSED = 1e-2
"""Variance of the posterior means below which a dimension counts as unused (Burda et al. 2016, appendix C)."""


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

    def explain(self) -> str:
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
    for part in split_batch(x, num_particles):
        log_w = log_weights(model, guide, part, num_particles)
        size.append((2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp())
        k.extend(pareto_k(column) for column in log_w.T.cpu().numpy())
    return Reliability(torch.tensor(k, dtype=torch.float64), torch.cat(size).cpu(), num_particles)


def pareto_k(log_weights: np.ndarray) -> float:
    """The shape of the generalised Pareto tail of the weights (S,); −∞ where they are all equal."""
    if np.ptp(log_weights) < 1e-9:
        return -math.inf
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

    def explain(self) -> str:
        names = ", ".join(map(str, self.collapsed[:6])) + (", …" if len(self.collapsed) > 6 else "")
        used = f"{self.active_units} of {len(self.activity)} latent dimensions are in use"
        unused = f" (unused: {names}; take fewer, or weigh the KL less early in training)" if self.collapsed else ""
        ceiling = f"log N = {math.log(self.num_examples):.2f}"
        if self.saturated:
            return f"{used}{unused}; z tells {self.num_examples} data apart (I_q(x; z) ≈ {ceiling} nats)."
        return (
            f"{used}{unused}; z carries {self.mutual_information:.2f} nats about x (at most {ceiling} can be seen), q(z) is "
            f"{self.marginal_kl:.2f} nats from the prior: if that is much, prior samples are unlike codes; learn the prior."
        )


@torch.no_grad()
def latent_usage(model: Program, guide: Program, x: Batch, draws: int = 50) -> LatentUsage:
    """Active units, rate, I_q(x; z) and KL(q(z)‖p(z)), for a guide with one latent site. Costs N² evaluations of q."""
    batch = as_batch(x)
    joint = Joint(model, guide, batch)
    count = len(batch[0])
    u = joint.draw_guide(draws).double().reshape(draws, count, -1)
    log_q = torch.stack([_log_guide_matrix(joint, part) for part in u])  # (draws, datum of z, datum of q)
    own = log_q.diagonal(dim1=1, dim2=2)
    mutual_information = float((own - (log_q.logsumexp(2) - math.log(count))).mean())
    flat = u.flatten(0, 1).to(joint.batch[0].dtype) if batch[0].is_floating_point() else u.flatten(0, 1)
    log_prior, _ = joint.model_terms(flat)
    rate = float(own.mean() - log_prior.mean())
    # The draws' mean varies by the draws' own noise too: take that off.
    activity = u.mean(0).var(0) - u.var(0).mean(0) / draws
    return LatentUsage(activity, rate, mutual_information, count)


def _log_guide_matrix(joint: Joint, u: Tensor) -> Float64[Tensor, "z q"]:
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
    """Ranks (simulations, latent) of z* among `draws` draws of q(z|x), for x simulated with z*: uniform if q is p(z|x)."""

    ranks: Int[Tensor, "simulations latent"]
    draws: int

    def departure(self) -> Float64[Tensor, " latent"]:
        """The largest distance of the ranks' ECDF from the uniform one."""
        grid = torch.arange(self.draws + 1, dtype=torch.float64)
        ecdf = (self.ranks.unsqueeze(-1) <= grid).double().mean(0)
        return (ecdf - (grid + 1) / (self.draws + 1)).abs().amax(-1)

    def band(self, alpha: float = 0.01) -> float:
        """A band that uniform ranks leave with probability at most `alpha` (Dvoretzky, Kiefer & Wolfowitz; Massart 1990)."""
        return math.sqrt(math.log(2 / alpha) / (2 * len(self.ranks)))

    def explain(self) -> str:
        bad = torch.nonzero(self.departure() > self.band()).flatten().tolist()
        where = f"dimensions {', '.join(map(str, bad))} leave the 99 % band" if bad else "all dimensions are in the 99 % band"
        return (
            f"{where} of ±{self.band():.3f}: outside it q is biased or of the wrong width; try a richer guide or train longer."
        )


@torch.no_grad()
def simulation_based_calibration(model: Program, guide: Program, like: Batch, draws: int = 99) -> Calibration:
    """Ranks of z* in q(z|x) for as many simulated pairs as `like` has rows (Talts et al. 2018); ≥ 1000 are advised."""
    x, exact_draw = simulate(model, guide, like)
    joint = Joint(model, guide, as_batch(x))
    truth = joint.unconstrain(exact_draw)
    u = joint.draw_guide(draws).reshape(draws, *truth.shape)
    return Calibration((u < truth).sum(0), draws)
