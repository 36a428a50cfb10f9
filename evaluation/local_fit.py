"""Fits of a free q for every datum: the best that a family can do without an encoder."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import pyro
import torch
from jaxtyping import Float, Float64
from pyro import poutine
from torch import Tensor, nn

from evidence.batch import repeat_rows
from evidence.estimate import Estimate, Fitted
from evidence.progress import steps
from evidence.structure import sample_sites
from evidence.weights import rows_per_chunk, sum_log_probs
from guides.amortized import Amortized
from guides.families.base import Family
from guides.families.coupling import Coupling
from guides.families.flow import FlowFamily
from guides.local import Local


@dataclass(frozen=True)
class Fit:
    """How a free q is fitted.

    Adam starts `restarts` times and makes `steps` steps with `draws` draws of z per datum; the best
    of its ends is chosen and reported by `measured` fresh draws each.
    """

    steps: int = 1000
    draws: int = 10
    learning_rate: float = 0.02
    restarts: int = 2
    measured: int = 200


@dataclass(frozen=True)
class LocalFits:
    """Fits guides of the data `x` (N, *shape) under `model`, which stays as it is."""

    model: nn.Module
    x: Tensor
    how: Fit

    def starts(self, family: Family, encoded: Tensor | None = None) -> list[Local]:
        """Returns free guides to be fitted, one a restart, each with a family of its own.

        The first starts at the encoder's output if it is of this family, and else at zero; the
        others start at zero with more and more noise.
        """
        zero = torch.zeros(len(self.x), family.num_parameters)
        first = zero if encoded is None else encoded
        noisy = [zero + 0.3 * k * torch.randn_like(zero) for k in range(1, self.how.restarts)]
        return [Local(copy.deepcopy(family), start.to(self.x)) for start in (first, *noisy)]

    def fit(self, guide: Local) -> Local:
        """Fits `guide` by Adam, with a learning rate that falls to zero, and returns it.

        A datum whose gradient is not finite has gone too far, and goes on from where it started;
        what the data share waits for a step in which all gradients are finite.
        """
        start = guide.h.detach().clone()
        shared = list(guide.family.parameters())  # of a flow: every datum pulls at them
        rate = self.how.learning_rate
        optimizer = torch.optim.Adam([guide.h], lr=rate)
        optimizer.add_param_group({"params": shared, "lr": rate / 10})
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.how.steps)
        with pyro.validation_enabled(False):  # `best` leaves out what has diverged
            for _ in steps(range(self.how.steps), "step of the fits"):
                loss = -self._log_weights(guide, self.how.draws).sum() / self.how.draws
                own, *others = torch.autograd.grad(loss, [guide.h, *shared])
                finite = own.isfinite().all(1, keepdim=True)
                guide.h.data = guide.h.data.where(finite, start)
                guide.h.grad = own.where(finite, 0.0)
                for parameter, gradient in zip(shared, others, strict=True):
                    parameter.grad = gradient.where(gradient.isfinite().all(), 0.0)
                optimizer.step()
                schedule.step()
        return guide

    @torch.no_grad()
    def best(self, guides: Sequence[Local], instead: Tensor | None = None) -> Estimate:
        """Returns the ELBO of the best guide for every datum.

        The choice and the result come from separate draws, so that there is no selection bias. A
        guide whose ELBO is not finite is not chosen, and `details.diverged` counts the data for
        which at least one is not. Where none is finite the value is that of `instead` (N,), the
        ELBO of another member of the family.
        """
        with pyro.validation_enabled(False):  # a fit that diverged is left out, and no error
            first = torch.stack([self.elbo(guide) for guide in guides])
            second = torch.stack([self.elbo(guide) for guide in guides])
        finite = first.isfinite() & second.isfinite()
        chosen = first.where(finite, -torch.inf).argmax(0, keepdim=True)
        best = second.gather(0, chosen)[0]
        if instead is not None:
            best = best.where(finite.any(0), instead)
        details = Fitted(self.how.restarts, diverged=int((~finite.all(0)).sum()))
        return Estimate(best, "lower", self.how.measured, details)

    def elbo(self, guide: Local) -> Float64[Tensor, " N"]:
        """Returns the ELBO of a free guide on all its data.

        The guide belongs to these data: they cannot be taken part by part, as other guides' are.
        """
        draws = self.how.measured
        at_once = max(1, rows_per_chunk(self.x, self.model) // len(self.x))
        counts = [min(at_once, draws - start) for start in range(0, draws, at_once)]
        sums = [self._log_weights(guide, count).sum(0) for count in counts]
        return torch.stack(sums).sum(0) / draws

    def _log_weights(self, guide: Local, draws: int) -> Float64[Tensor, " draws N"]:
        """Returns log p(x, z) − log q(z|x) of reparametrized draws, differentiably."""
        q = guide.posterior(self.x)
        z = q.rsample((draws,))
        program = poutine.condition(self.model, data={"z": z.flatten(0, 1)})
        trace = poutine.trace(program).get_trace(repeat_rows(self.x, draws))
        log_joint = sum_log_probs(sample_sites(trace))
        return log_joint.reshape(draws, len(self.x)) - q.log_prob(z)


def deeper(guide: Amortized, x: Float[Tensor, " N *shape"]) -> FlowFamily:
    """Returns a family that contains the guide's own and is richer.

    It is the guide's family, followed by five coupling layers that start as the identity.
    """
    with torch.no_grad():
        (latent_dim,) = guide.posterior(x[:1]).event_shape
    # The number of layers is odd, so that the reversals between them cancel out.
    flow = Coupling(
        latent_dim,
        layers=5,
        width=max(128, latent_dim),
        base=copy.deepcopy(guide.family),
    )
    return flow.start_as_identity().to(x)


def built_upon(richer: Family, family: Family) -> bool:
    """Whether `richer` is a flow on top of `family`, and so contains it."""
    return isinstance(richer, FlowFamily) and type(richer.base) is type(family)


def around(richer: FlowFamily, local: Local) -> Local:
    """Returns a guide of the flow `richer` that equals `local` if its layers are the identity."""
    family = copy.deepcopy(richer)
    family.base.load_state_dict(local.family.state_dict())
    h = local.h.detach()
    context = h.new_zeros(len(h), family.num_parameters - h.shape[1])
    return Local(family, torch.cat([h, context], 1))
