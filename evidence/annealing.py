"""Annealed importance sampling (Neal 2001): from p(z) or q(z|x) to p(z|x), by Hamiltonian steps.

A chain walks through f_β = (1 − β) log start + β log p(x, z), β from 0 to 1. Every step of β
multiplies its weight by f_β'(z)/f_β(z), every transition leaves f_β invariant. Forward, the weights
average to p(x), which gives a lower bound on log p(x). Backward, from an exact draw of p(z|x), they
average to 1/p(x), which gives an upper bound. Together they are bidirectional Monte Carlo (Grosse
et al. 2015). A transition that adapts to its own past is not invariant, so step sizes are tuned on
a first pass, and then frozen for a second one with fresh noise.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from evidence.alone import looked_at
from evidence.batch import Data
from evidence.chunks import split_batch, split_with_latents
from evidence.counts import whole
from evidence.estimate import Annealed, Estimate
from evidence.hmc import Path, Start, transition
from evidence.joint import Joint
from evidence.progress import steps as told
from evidence.structure import Latents, Program
from evidence.upper import simulate

Schedule = Literal["linear", "sigmoid"]

# How step sizes are tuned: towards this acceptance probability, by this much per transition and
# unit of its error, from this first step, after this many transitions at the start.
TARGET_ACCEPTANCE = 0.9
ADAPTATION = 0.2
FIRST_STEP = 0.1
WARM_UP = 20


@dataclass(frozen=True)
class Annealing:
    """How to anneal: `temperatures` steps of β, `chains` per datum, `leapfrogs` per transition.

    `start` is where chains begin: "prior", "guide", or "mixture", half of each, for posteriors with
    modes that the guide leaves out. The `schedule` spaces β evenly ("linear"), or
    densely at both ends ("sigmoid": a logistic over ±4; Wu et al. 2017).

    Raises ValueError for a number below 1, or for an unknown start or schedule.

    >>> Annealing(temperatures=4, schedule="linear").betas().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    temperatures: int = 1000
    chains: int = 16
    leapfrogs: int = 10
    start: Start = "prior"
    schedule: Schedule = "sigmoid"

    def __post_init__(self) -> None:
        for name in ("temperatures", "chains", "leapfrogs"):
            whole(name, vars(self)[name])
        for name, choices in (("start", get_args(Start)), ("schedule", get_args(Schedule))):
            if vars(self)[name] not in choices:
                raise ValueError(f"{name}={vars(self)[name]}: choose from {', '.join(choices)}")

    def betas(self) -> Float64[Tensor, " points"]:
        """Returns 0 = β_0 < … < β_T = 1, T being `temperatures`."""
        even = torch.linspace(0, 1, self.temperatures + 1, dtype=torch.float64)
        if self.schedule == "linear":
            return even
        curve = torch.sigmoid(8 * even - 4)
        return (curve - curve[0]) / (curve[-1] - curve[0])

    @property
    def details(self) -> Annealed:
        """What an estimate says about how it was annealed."""
        return Annealed(self.temperatures, self.leapfrogs, self.start, self.schedule)


@torch.no_grad()
def tune(path: Path, plan: Annealing) -> Float64[Tensor, " temperatures batch"]:
    """Returns step sizes for every temperature and datum, from a pass that is thrown away.

    Each step is moved towards `TARGET_ACCEPTANCE` over the chains of its datum.
    """
    betas, size = plan.betas().tolist(), path.joint.batch.size
    point = path.at(path.draw(plan.chains))
    log_step = torch.full((size,), math.log(FIRST_STEP), dtype=torch.float64, device=point.u.device)
    steps = []
    for beta in told([betas[0]] * WARM_UP + betas[1:], "tuning, temperature"):
        steps.append(log_step.exp())
        step = steps[-1].repeat(plan.chains)
        point, acceptance = transition(path, point, beta, step, plan.leapfrogs)
        mean = acceptance.reshape(plan.chains, size).mean(0)
        log_step = log_step + ADAPTATION * (mean - TARGET_ACCEPTANCE)
    return torch.stack(steps[WARM_UP:])


@torch.no_grad()
def forward_weights(
    path: Path, plan: Annealing, steps: Float64[Tensor, " temperatures batch"]
) -> Float64[Tensor, " chains batch"]:
    """Returns log w with E[w] = p(x)."""
    betas = plan.betas().tolist()
    point = path.at(path.draw(plan.chains))
    log_weight = torch.zeros_like(point.log_end)
    pairs = list(zip(betas, betas[1:], steps, strict=False))
    for old, beta, step in told(pairs, "temperature"):
        log_weight = log_weight + (beta - old) * point.slope
        point, _ = transition(path, point, beta, step.repeat(plan.chains), plan.leapfrogs)
    return log_weight.reshape(plan.chains, -1)


@torch.no_grad()
def reverse_weights(
    path: Path,
    plan: Annealing,
    steps: Float64[Tensor, " temperatures batch"],
    exact_draw: Float[Tensor, " batch dimensions"],
) -> Float64[Tensor, " chains batch"]:
    """Returns log w with E[w] = 1/p(x), of chains from `exact_draw`, u drawn from p(z|x)."""
    betas = plan.betas().tolist()
    point = path.at(exact_draw.repeat(plan.chains, 1))
    log_weight = torch.zeros_like(point.log_end)
    pairs = list(zip(betas, betas[1:], steps, strict=False))
    for old, beta, step in told(pairs[::-1], "temperature"):
        point, _ = transition(path, point, beta, step.repeat(plan.chains), plan.leapfrogs)
        log_weight = log_weight - (beta - old) * point.slope
    return log_weight.reshape(plan.chains, -1)


def ais(model: Program, guide: Program, x: Data, plan: Annealing | None = None) -> Estimate:
    """Returns E[log (1/C) Σ_c w_c] over C annealed chains (Neal 2001; Wu et al. 2017).

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way; chains may start from it.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        plan: how to anneal; 1,000 temperatures and 16 chains unless given.

    Returns:
        A lower bound on log p(x) for every datum.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence.example import guide, model, x
    >>> found = ais(model, guide, x, Annealing(temperatures=100, chains=50, leapfrogs=3))
    >>> found.kind, round(float(found.per_datum[1]), 1)   # log p(x) is -1.27
    ('lower', -1.3)
    """
    plan = plan or Annealing()
    columns = []
    for batch in told(split_batch(looked_at(model, guide, x), plan.chains, model), loops=2):
        path = Path(Joint(model, guide, batch), plan.start)
        log_w = forward_weights(path, plan, tune(path, plan))
        columns.append(log_w.logsumexp(0) - math.log(plan.chains))
    return Estimate(torch.cat(columns), "lower", plan.chains, plan.details)


def reverse_ais(
    model: Program, guide: Program, x: Data, exact_draw: Latents, plan: Annealing | None = None
) -> Estimate:
    """Returns E[−log (1/C) Σ_c w_c] over C chains annealed backwards from one exact posterior draw.

    Arguments:
        model, guide, x, plan: as of `ais`.
        exact_draw: one exact draw of p(z|x) for every datum, by site name: from `simulate`, whose
            data `x` must then be, or from `posterior_draw`.

    Returns:
        An upper bound on log p(x) for every datum (Grosse et al. 2015).

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence import simulate
    >>> from evidence.example import guide, model
    >>> x, z = simulate(model, guide, torch.zeros(50, 1))
    >>> reverse_ais(model, guide, x, z, Annealing(10, 4, 3)).kind
    'upper'
    """
    plan = plan or Annealing()
    columns, x = [], looked_at(model, guide, x)
    for batch, drawn in told(split_with_latents(x, exact_draw, plan.chains, model), loops=2):
        path = Path(Joint(model, guide, batch), plan.start)
        steps = tune(path, plan)
        log_w = reverse_weights(path, plan, steps, path.joint.unconstrain(drawn))
        columns.append(math.log(plan.chains) - log_w.logsumexp(0))
    return Estimate(torch.cat(columns), "upper", plan.chains, plan.details)


@dataclass(frozen=True)
class Bracket:
    """Bounds from both sides of log p(x) of the same data: simulated ones, or any.

    Data that the model drew come with an exact draw of p(z|x) (`bidirectional`); for others coupled
    chains draw one (`bracket`).
    """

    lower: Estimate
    upper: Estimate

    @property
    def gap(self) -> Float64[Tensor, " batch"]:
        """Upper − lower in nats, per datum: not negative on average."""
        return self.upper.per_datum - self.lower.per_datum


def bidirectional(
    model: Program, guide: Program, like: Data, plan: Annealing | None = None
) -> Bracket:
    """Anneals from both sides on data simulated from the model (Grosse et al. 2015).

    Arguments:
        model, guide, plan: as of `ais`.
        like: data (N, *shape), or (x, y, …): as many are simulated, of the same shape.

    Returns:
        Both bounds on log p(x) of the simulated data.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence.example import guide, model
    >>> found = bidirectional(model, guide, torch.zeros(200, 1), Annealing(30, 8, 3))
    >>> 0 < float(found.gap.mean()) < 1
    True
    """
    x, exact_draw = simulate(model, guide, like)
    return Bracket(ais(model, guide, x, plan), reverse_ais(model, guide, x, exact_draw, plan))
