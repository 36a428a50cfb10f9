"""Hamiltonian Monte Carlo along the path from log start to log p(x, z) (Neal 2011).

The path goes through f_β = (1 − β) log start + β log p(x, z), β from 0 to 1, the start being
p(z), q(z|x) or half of each. Every chain is a row; each datum has several.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

import pyro
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from evidence.batch import Batch
from evidence.joint import Joint
from evidence.recording.calls import Shapes, run
from evidence.rough import Rough, pays
from evidence.unsupported import UnsupportedPair

# A mixture is half of each: its density is nowhere far below either's.
Start = Literal["prior", "guide", "mixture"]

# The share by which a chain's step size varies: trajectories of one length can come round to where
# they began (Neal 2011, section 3.2).
JITTER = 0.2


@dataclass
class Point:
    """Chains, with both ends' log-densities there and their gradients."""

    u: Float[Tensor, " rows dimensions"]
    log_start: Float64[Tensor, " rows"]
    log_end: Float64[Tensor, " rows"]
    start_gradient: Float[Tensor, " rows dimensions"]
    end_gradient: Float[Tensor, " rows dimensions"]

    def energy(self, beta: float) -> Float64[Tensor, " rows"]:
        """Returns −f_β, the potential energy."""
        return -((1 - beta) * self.log_start + beta * self.log_end)

    def force(self, beta: float) -> Float[Tensor, " rows dimensions"]:
        """Returns ∇f_β, the force on a chain."""
        return torch.lerp(self.start_gradient, self.end_gradient, beta)

    @property
    def slope(self) -> Float64[Tensor, " rows"]:
        """∂f_β/∂β, by which a step of β changes the log weight."""
        return self.log_end - self.log_start

    def where(self, accepted: Bool[Tensor, " rows"], other: "Point") -> "Point":
        """Returns this point in the rows that are accepted, the other elsewhere."""

        def chosen(mine: Tensor, theirs: Tensor) -> Tensor:
            rows = accepted if mine.ndim == 1 else accepted.unsqueeze(1)
            return torch.where(rows, mine, theirs)

        return Point(
            **{name: chosen(value, vars(other)[name]) for name, value in vars(self).items()}
        )


class Path:
    """The two ends of the annealing of some data, as functions of u.

    They are compiled inside `recording.recorded()`, unless `compiles` is off.

    Raises UnsupportedPair where p(z|x) has draws that the start has not.
    """

    def __init__(self, joint: Joint, start: Start, compiles: bool = True) -> None:
        if start == "guide" and joint.left_out:
            raise UnsupportedPair(
                f"{joint.left_out}, so its weights do not reach log p(x); start from the prior or "
                "from the mixture (proposal, or start of Annealing), or widen the guide"
            )
        self.joint, self.start, self.compiles = joint, start, compiles
        self.rough = pays(joint.batch.device)

    def at(self, u: Float[Tensor, " rows dimensions"]) -> Point:
        """Returns both log-densities at u with their gradients."""
        return Point(u, *self.values(u), *self.gradients(u))

    def values(
        self, u: Float[Tensor, " rows dimensions"]
    ) -> tuple[Float64[Tensor, " rows"], Float64[Tensor, " rows"]]:
        """Returns log start and log end; compiled inside `recording.recorded()`."""
        log_start, log_end = self._run("values", self._values, u)
        return log_start, log_end

    def gradients(
        self, u: Float[Tensor, " rows dimensions"]
    ) -> tuple[Float[Tensor, " rows dimensions"], Float[Tensor, " rows dimensions"]]:
        """Returns the gradients of log start and log end; compiled like `values`."""
        start_gradient, end_gradient = self._run("gradients", self._gradients, u)
        return start_gradient, end_gradient

    def force(self, u: Float[Tensor, " rows dimensions"]) -> Float[Tensor, " rows dimensions"]:
        """Returns the gradient of log end alone; compiled like `values`."""
        (gradient,) = self._run("force", self._force, u)
        return gradient

    def _run(
        self, what: str, function: Callable[..., tuple[Tensor, ...]], u: Tensor
    ) -> tuple[Tensor, ...]:
        joint = self.joint
        key = (what, self.start, joint.model, joint.guide)
        with torch.no_grad(), pyro.validation_enabled(False):  # validated when the joint was made
            if not self.compiles:
                return function(u, *joint.batch, *joint.bounds)
            # All forces of a trajectory must be one function of the position, to the last digit: so
            # every shape is recorded.
            return run(key, function, u, *joint.batch, *joint.bounds, shapes=Shapes.EVERY)

    def _values(self, u: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        count = len(self.joint.batch)
        joint = self.joint.on(Batch(given[:count]), given[count:])
        log_prior, log_likelihood = joint.model_terms(u)
        log_start = log_prior if self.start == "prior" else joint.log_guide(u)
        if self.start == "mixture":
            log_start = torch.logaddexp(log_prior, log_start) - math.log(2)
        return log_start, log_prior + log_likelihood

    def _gradients(self, u: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad(), Rough() if self.rough else nullcontext():
            u = u.detach().requires_grad_()
            log_start, log_end = self._values(u, *given)
            (start_gradient,) = torch.autograd.grad(log_start.sum(), u, retain_graph=True)
            (end_gradient,) = torch.autograd.grad(log_end.sum(), u)
        return start_gradient, end_gradient

    def _force(self, u: Tensor, *given: Tensor) -> tuple[Tensor]:
        with torch.enable_grad(), Rough() if self.rough else nullcontext():
            u = u.detach().requires_grad_()
            count = len(self.joint.batch)
            terms = self.joint.on(Batch(given[:count]), given[count:]).model_terms(u)
            (gradient,) = torch.autograd.grad(torch.stack(terms).sum(), u)
        return (gradient,)

    def draw(self, chains: int) -> Float[Tensor, " rows dimensions"]:
        """Returns exact draws of the start, `chains` for every datum."""
        joint = self.joint
        if self.start == "mixture":
            u, v = joint.draw_guide(chains), joint.draw_prior(chains)
            return torch.where(torch.rand(len(u), 1, device=u.device) < 0.5, u, v)
        return joint.draw_prior(chains) if self.start == "prior" else joint.draw_guide(chains)


def transition(
    path: Path,
    point: Point,
    beta: float,
    step: Float64[Tensor, " rows"],
    leapfrogs: int,
) -> tuple[Point, Float64[Tensor, " rows"]]:
    """Makes one step that leaves f_β invariant; returns where it leads, and how likely it was.

    Fresh momentum, `leapfrogs` leapfrog steps of size `step` (Neal 2011, eqs. 18 to 20), accepted
    with probability min(1, exp(−ΔH)). Forces may be rounded, as long as they are the same at the
    same place; energies are not.
    """
    momentum = torch.randn_like(point.u)
    before = point.energy(beta) + 0.5 * momentum.double().square().sum(1)
    size = jittered(step, torch.rand_like(step)).unsqueeze(1).to(point.u)
    u, momentum = point.u, momentum + 0.5 * size * point.force(beta)
    for k in range(leapfrogs):
        u = u + size * momentum
        gradients = path.gradients(u)
        share = 1.0 if k < leapfrogs - 1 else 0.5
        momentum = momentum + share * size * torch.lerp(gradients[0], gradients[1], beta)
    new = Point(u, *path.values(u), *gradients)
    after = new.energy(beta) + 0.5 * momentum.double().square().sum(1)
    # NaN is an energy that diverged: such a trajectory is rejected.
    acceptance = torch.nan_to_num((before - after).clamp(max=0).exp(), nan=0.0)
    accepted = torch.rand_like(acceptance) < acceptance
    return new.where(accepted, point), acceptance


def jittered(
    step: Float64[Tensor, " rows"], uniform: Float64[Tensor, " rows"]
) -> Float64[Tensor, " rows"]:
    """Returns the step sizes of one transition, which vary by up to `JITTER`."""
    return step * (1 + JITTER * (2 * uniform - 1))
