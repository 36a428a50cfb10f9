"""Annealed importance sampling (Neal 2001): from p(z) or q(z|x) to p(z|x) by Hamiltonian transitions.

A chain walks through f_β = (1 − β) log start + β log p(x, z), β from 0 to 1; every step of β multiplies its weight by
f_β'(z)/f_β(z), every transition leaves f_β invariant. Forward, the weights average to p(x): a lower bound on log p(x).
Backward, from an exact draw of p(z|x), to 1/p(x): an upper bound. Together they are bidirectional Monte Carlo (Grosse et
al. 2015). Transitions that adapt to their own past are not invariant, so step sizes are tuned on a first pass and then
frozen for another with fresh noise.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import pyro
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from evidence.estimate import Estimate
from evidence.joint import Joint
from evidence.recording.calls import Shapes, run
from evidence.rough import Rough, pays
from evidence.upper import Latents, simulate
from evidence.weights import Batch, Program, split_batch

Start = Literal["prior", "guide"]
SCHEDULES = ("linear", "sigmoid")
TARGET_ACCEPTANCE = 0.9
ADAPTATION = 0.2
FIRST_STEP = 0.1
WARM_UP = 20
"""Transitions at the start, to find a step size there."""
JITTER = 0.2
"""Share by which a chain's step size varies: trajectories of one length can come round to where they began (Neal 2011, 3.2)."""


@dataclass(frozen=True)
class Annealing:
    """How to anneal: `temperatures` steps of β, `chains` per datum, `leapfrogs` gradients per transition."""

    temperatures: int = 1000
    chains: int = 16
    leapfrogs: int = 10
    start: Start = "prior"
    schedule: str = "sigmoid"

    def betas(self) -> Float64[Tensor, " temperatures+1"]:
        """0 = β_0 < … < β_T = 1: evenly spaced, or dense at both ends (a logistic over ±4; Wu et al. 2017)."""
        if self.temperatures < 1 or self.chains < 1 or self.leapfrogs < 1:
            raise ValueError("temperatures, chains and leapfrogs must be at least 1")
        even = torch.linspace(0, 1, self.temperatures + 1, dtype=torch.float64)
        if self.schedule == "linear":
            return even
        if self.schedule == "sigmoid":
            curve = torch.sigmoid(8 * even - 4)
            return (curve - curve[0]) / (curve[-1] - curve[0])
        raise ValueError(f"schedule={self.schedule}: choose from {', '.join(SCHEDULES)}")


@dataclass
class Point:
    """Chains (rows, dimensions), with both ends' log-densities there, (rows,) float64, and their gradients."""

    u: Tensor
    log_start: Tensor
    log_end: Tensor
    start_gradient: Tensor
    end_gradient: Tensor

    def energy(self, beta: float) -> Float64[Tensor, " rows"]:
        """−f_β."""
        return -((1 - beta) * self.log_start + beta * self.log_end)

    def force(self, beta: float) -> Float[Tensor, " rows dimensions"]:
        """∇f_β."""
        return torch.lerp(self.start_gradient, self.end_gradient, beta)

    @property
    def slope(self) -> Float64[Tensor, " rows"]:
        """∂f_β/∂β, what a step of β adds to the log weight."""
        return self.log_end - self.log_start

    def where(self, accepted: Tensor, other: "Point") -> "Point":
        """This point in the rows that are accepted, the other elsewhere."""
        mine, theirs = vars(self), vars(other)
        return Point(
            **{
                k: torch.where(
                    accepted if mine[k].ndim == 1 else accepted.unsqueeze(1), mine[k], theirs[k]
                )
                for k in mine
            }
        )


class Path:
    """The two ends of the annealing of some data."""

    def __init__(self, joint: Joint, start: Start) -> None:
        self.joint, self.start = joint, start
        self.rough = pays(joint.batch[0].device)

    def at(self, u: Float[Tensor, " rows dimensions"]) -> Point:
        """Both log-densities at u with their gradients."""
        return Point(u, *self.values(u), *self.gradients(u))

    def values(self, u: Float[Tensor, " rows dimensions"]) -> tuple[Tensor, ...]:
        """log start and log end, (rows,) float64. Compiled inside `recording.recorded()`, as `gradients` is."""
        return self._run("values", self._values, u)

    def gradients(self, u: Float[Tensor, " rows dimensions"]) -> tuple[Tensor, ...]:
        """Of log start and log end, (rows, dimensions) each."""
        return self._run("gradients", self._gradients, u)

    def _run(
        self, what: str, function: Callable[..., tuple[Tensor, ...]], u: Tensor
    ) -> tuple[Tensor, ...]:
        joint = self.joint
        with torch.no_grad(), pyro.validation_enabled(False):  # validated when the joint was made
            # Every shape: all forces of a trajectory are one function of the position, to the bit.
            return run(
                (what, self.start, joint.model, joint.guide),
                function,
                u,
                *joint.batch,
                *joint.bounds,
                shapes=Shapes.EVERY,
            )

    def _values(self, u: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        count = len(self.joint.batch)
        joint = self.joint.on(given[:count], given[count:])
        log_prior, log_likelihood = joint.model_terms(u)
        return log_prior if self.start == "prior" else joint.log_guide(
            u
        ), log_prior + log_likelihood

    def _gradients(self, u: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad(), Rough() if self.rough else nullcontext():
            u = u.detach().requires_grad_()
            log_start, log_end = self._values(u, *given)
            (start_gradient,) = torch.autograd.grad(log_start.sum(), u, retain_graph=True)
            (end_gradient,) = torch.autograd.grad(log_end.sum(), u)
        return start_gradient, end_gradient

    def draw(self, chains: int) -> Float[Tensor, " rows dimensions"]:
        """Exact draws of the start."""
        return (
            self.joint.draw_prior(chains)
            if self.start == "prior"
            else self.joint.draw_guide(chains)
        )


def transition(
    path: Path, point: Point, beta: float, step: Float[Tensor, " rows"], leapfrogs: int
) -> tuple[Point, Float64[Tensor, " rows"]]:
    """One Hamiltonian Monte Carlo step that leaves f_β invariant, and its acceptance probability, per chain.

    Fresh momentum, `leapfrogs` leapfrog steps (Neal 2011, eqs. 18 to 20), accepted with min(1, exp(−ΔH)). Forces may be
    rounded, the same at the same place; energies are not.
    """
    momentum = torch.randn_like(point.u)
    before = point.energy(beta) + 0.5 * momentum.double().square().sum(1)
    size = (step * (1 + JITTER * (2 * torch.rand_like(step) - 1))).unsqueeze(1).to(point.u)
    u, momentum = point.u, momentum + 0.5 * size * point.force(beta)
    for k in range(leapfrogs):
        u = u + size * momentum
        gradients = path.gradients(u)
        momentum = momentum + (1.0 if k < leapfrogs - 1 else 0.5) * size * torch.lerp(
            gradients[0], gradients[1], beta
        )
    new = Point(u, *path.values(u), *gradients)
    after = new.energy(beta) + 0.5 * momentum.double().square().sum(1)
    acceptance = torch.nan_to_num(
        (before - after).clamp(max=0).exp(), nan=0.0
    )  # a diverged trajectory is rejected
    accepted = torch.rand_like(acceptance) < acceptance
    return new.where(accepted, point), acceptance


@torch.no_grad()
def tune(path: Path, plan: Annealing, size: int) -> Float64[Tensor, " temperatures batch"]:
    """Step sizes for every temperature and datum, from a pass of their own: towards TARGET_ACCEPTANCE over its chains."""
    betas = plan.betas().tolist()
    point = path.at(path.draw(plan.chains))
    log_step = torch.full((size,), math.log(FIRST_STEP), dtype=torch.float64, device=point.u.device)
    steps = []
    for beta in [betas[0]] * WARM_UP + betas[1:]:
        steps.append(log_step.exp())
        point, acceptance = transition(
            path, point, beta, steps[-1].repeat(plan.chains), plan.leapfrogs
        )
        log_step = log_step + ADAPTATION * (
            acceptance.reshape(plan.chains, size).mean(0) - TARGET_ACCEPTANCE
        )
    return torch.stack(steps[WARM_UP:])


@torch.no_grad()
def forward_weights(
    path: Path, plan: Annealing, steps: Float64[Tensor, " temperatures batch"]
) -> Tensor:
    """log w (chains, batch) float64: E[w] = p(x)."""
    betas = plan.betas().tolist()
    point = path.at(path.draw(plan.chains))
    log_weight = torch.zeros_like(point.log_end)
    for old, beta, step in zip(betas, betas[1:], steps, strict=False):
        log_weight = log_weight + (beta - old) * point.slope
        point, _ = transition(path, point, beta, step.repeat(plan.chains), plan.leapfrogs)
    return log_weight.reshape(plan.chains, -1)


@torch.no_grad()
def reverse_weights(
    path: Path, plan: Annealing, steps: Float64[Tensor, " temperatures batch"], exact_draw: Tensor
) -> Tensor:
    """log w (chains, batch) float64 from u (batch, dimensions) drawn from p(z|x): E[w] = 1/p(x)."""
    betas = plan.betas().tolist()
    point = path.at(exact_draw.repeat(plan.chains, 1))
    log_weight = torch.zeros_like(point.log_end)
    for old, beta, step in reversed(list(zip(betas, betas[1:], steps, strict=False))):
        point, _ = transition(path, point, beta, step.repeat(plan.chains), plan.leapfrogs)
        log_weight = log_weight - (beta - old) * point.slope
    return log_weight.reshape(plan.chains, -1)


def ais(model: Program, guide: Program, x: Batch, plan: Annealing | None = None) -> Estimate:
    """E[log (1/C) Σ_c w_c] over C chains: a lower bound on log p(x) for every datum of `x`."""
    plan = plan or Annealing()
    columns = []
    for batch in split_batch(x, plan.chains, model):
        path = Path(Joint(model, guide, batch), plan.start)
        steps = tune(path, plan, len(batch[0]))
        columns.append(forward_weights(path, plan, steps).logsumexp(0) - math.log(plan.chains))
    return Estimate(torch.cat(columns), "lower", plan.chains, _details(plan))


def reverse_ais(
    model: Program, guide: Program, x: Batch, exact_draw: Latents, plan: Annealing | None = None
) -> Estimate:
    """E[−log (1/C) Σ_c w_c] from one exact posterior draw for every datum: an upper bound on log p(x)."""
    plan = plan or Annealing()
    columns, start = [], 0
    for batch in split_batch(x, plan.chains, model):
        rows = slice(start, start := start + len(batch[0]))
        path = Path(Joint(model, guide, batch), plan.start)
        steps = tune(path, plan, len(batch[0]))
        u = path.joint.unconstrain({name: value[rows] for name, value in exact_draw.items()})
        columns.append(math.log(plan.chains) - reverse_weights(path, plan, steps, u).logsumexp(0))
    return Estimate(torch.cat(columns), "upper", plan.chains, _details(plan))


@dataclass(frozen=True)
class Bracket:
    """Bounds from both sides of log p(x) on data simulated from the model: how far annealing is from the truth there.

    For real data only `ais` is to be had; `gap` is its calibration.
    """

    lower: Estimate
    upper: Estimate

    @property
    def gap(self) -> Float64[Tensor, " batch"]:
        """Upper − lower, nats, per simulated datum: not negative on average."""
        return self.upper.per_datum - self.lower.per_datum


def bidirectional(
    model: Program, guide: Program, like: Batch, plan: Annealing | None = None
) -> Bracket:
    """Forward and reverse annealing on as many simulated data as `like` has rows (Grosse et al. 2015)."""
    x, exact_draw = simulate(model, guide, like)
    return Bracket(ais(model, guide, x, plan), reverse_ais(model, guide, x, exact_draw, plan))


def _details(plan: Annealing) -> dict[str, object]:
    return {
        "temperatures": plan.temperatures,
        "leapfrogs": plan.leapfrogs,
        "start": plan.start,
        "schedule": plan.schedule,
    }
