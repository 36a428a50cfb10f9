"""Where log p(x) − ELBO comes from (Cremer et al. 2018, eq. 5).

    log p(x) − ELBO[q_φ] = (log p(x) − ELBO[q*])  +  (ELBO[q*] − ELBO[q_φ])
                            approximation: family      amortisation: encoder

with q* the best member of the guide's family for this very datum, fitted without an encoder.
"""

import copy
from dataclasses import dataclass
from typing import Any, cast

import pyro
import torch
from jaxtyping import Float, Float64
from pyro import poutine
from torch import Tensor, nn

from errors import RequestError
from evidence.estimate import Estimate, Fitted, measured, standard_error, with_error
from evidence.structure import sample_sites
from evidence.weights import repeat_rows, rows_per_chunk, sum_log_probs
from guides.amortized import Amortized
from guides.families.base import Family
from guides.families.coupling import Coupling
from guides.families.flow import FlowFamily
from guides.local import Local, starts


@dataclass(frozen=True)
class Fit:
    """How to fit q*: `restarts` starts of Adam, `steps` each with `draws` per datum; the best by `measured` fresh draws."""

    steps: int = 1000
    draws: int = 10
    learning_rate: float = 0.02
    restarts: int = 2
    measured: int = 200


@dataclass(frozen=True)
class GapSplit:
    """Per datum, in nats: log p(x), the guide's ELBO, that of the best q of its family and of a richer family.

    The four are estimates of their own; means over data are what to read.
    """

    log_p: Estimate
    encoder: Estimate
    same_family: Estimate
    richer_family: Estimate | None = None

    @property
    def approximation(self) -> Float64[Tensor, " batch"]:
        """log p(x) − ELBO[q*]: what the family cannot do."""
        return self.log_p.per_datum - self.same_family.per_datum

    @property
    def amortisation(self) -> Float64[Tensor, " batch"]:
        """ELBO[q*] − ELBO[q_φ]: what the encoder leaves."""
        return self.same_family.per_datum - self.encoder.per_datum

    @property
    def richer_converged(self) -> bool:
        """Whether the richer family did no worse than the one it contains, within two standard errors.

        No datum counts for more than a nat: one that ran away must not hide the others in its standard error.
        """
        if self.richer_family is None or cast(Fitted, self.richer_family.details).diverged:
            return False
        difference = (self.richer_family.per_datum - self.same_family.per_datum).clamp(-1, 1)
        return float(difference.mean()) > -2 * standard_error(difference)

    @property
    def richer_approximation(self) -> Float64[Tensor, " batch"] | None:
        """log p(x) − ELBO of the best q of the richer family; None where there is none or it has not converged."""
        if self.richer_family is None or not self.richer_converged:
            return None
        return self.log_p.per_datum - self.richer_family.per_datum

    def explain(self) -> str:
        """The parts with their standard errors, paired per datum, and what would gain most."""
        richer = ""
        if self.richer_family is not None:
            left = self.richer_approximation
            richer = (
                f"; a flow upon it leaves {with_error(left)}"
                if left is not None
                else "; the richer flow has not converged (it ends below the family it contains) and is not counted"
            )
        parts = f"{with_error(self.approximation)} nats are the family's and {with_error(self.amortisation)} the encoder's"
        return f"{parts}, so {self.advice()}{richer}."

    def advice(self) -> str:
        """What to change: which part is the larger, if their paired difference is beyond two standard errors."""
        difference = measured(self.amortisation - self.approximation)
        if not abs(difference["mean"]) > 2 * difference["se"]:
            return "neither is clearly the larger"
        gains = (
            "a larger encoder or longer training"
            if difference["mean"] > 0
            else "a richer guide family"
        )
        return f"{gains} gains most"


def split_gap(
    model: nn.Module,
    guide: Amortized,
    x: Float[Tensor, " N *shape"],
    log_p: Estimate,
    richer: Family | None = None,
    fit: Fit | None = None,
) -> GapSplit:
    """Fit a free q for every datum of `x` in the guide's own family, and in `richer`, which must contain it.

    `log_p` is the exact evidence, or the best estimate of it: a lower bound makes the approximation gap read small. A
    `richer` that is built upon the guide's family (see `deeper`) starts at the fitted q. Neither `model` nor `guide` is
    changed.

    Raises ArithmeticError where log p(x) or the guide's own ELBO is not finite: there is then no gap to be split.
    """
    if not isinstance(guide, Amortized):
        raise RequestError(
            f"the gap of {type(guide).__name__} cannot be split: only an amortised guide has an encoder to do without"
        )
    fit = fit or Fit()
    family = cast(Family, guide.family)
    with torch.no_grad(), pyro.validation_enabled(False):  # numbers that broke are told by name
        encoded = guide.encoder(x)
        unfitted = Local(copy.deepcopy(family), encoded)
        encoder = Estimate(local_elbo(model, unfitted, x, fit.measured), "lower", fit.measured)
    check_finite("log p(x)", log_p)
    check_finite("the guide's own ELBO", encoder)
    own = [fit_local(model, start, x, fit) for start in local_starts(family, x, fit, encoded)]
    same_family = best_of(model, [unfitted, *own], x, fit)
    further = []
    if richer is not None:
        begin = (
            [around(richer, local) for local in own]
            if built_upon(richer, family)
            else local_starts(richer, x, fit)
        )
        further = [fit_local(model, start, x, fit) for start in begin]
    richer_family = (
        best_of(model, further, x, fit, instead=same_family.per_datum) if further else None
    )
    return GapSplit(log_p, encoder, same_family, richer_family)


def check_finite(what: str, estimate: Estimate) -> None:
    """Raise ArithmeticError, in one line, unless all values are finite."""
    broken = int((~estimate.per_datum.isfinite()).sum())
    if broken:
        raise ArithmeticError(f"{what} of {broken} of {estimate.num_examples} data is not finite")


def local_starts(family: Family, x: Tensor, fit: Fit, encoded: Tensor | None = None) -> list[Local]:
    """Free guides of `x` to be fitted, one a restart, each with a family of its own."""
    return [
        Local(copy.deepcopy(family), start.to(x))
        for start in starts(family, len(x), fit.restarts, encoded)
    ]


def deeper(guide: Amortized, x: Float[Tensor, " N *shape"]) -> FlowFamily:
    """A richer family than any guide's own: its family, followed by five coupling layers that start as the identity."""
    with torch.no_grad():
        (latent_dim,) = guide.posterior(x[:1]).event_shape
    # An odd number of layers: the reversals between them then cancel out.
    flow = Coupling(
        latent_dim,
        layers=5,
        width=max(128, latent_dim),
        base=copy.deepcopy(cast(Family, guide.family)),
    )
    return flow.start_as_identity().to(x)


def built_upon(richer: Family, family: Family) -> bool:
    """Whether `richer` is a flow on top of `family`, and so contains it."""
    return isinstance(richer, FlowFamily) and type(richer.base) is type(family)


def around(richer: Family, local: Local) -> Local:
    """The guide of the flow `richer` that is `local`, as far as its layers are the identity."""
    family = copy.deepcopy(cast(FlowFamily, richer))
    family.base.load_state_dict(local.family.state_dict())
    h = local.h.detach()
    return Local(family, torch.cat([h, h.new_zeros(len(h), family.num_parameters - h.shape[1])], 1))


@torch.no_grad()
def best_of(
    model: nn.Module, guides: list[Local], x: Tensor, fit: Fit, instead: Tensor | None = None
) -> Estimate:
    """The ELBO of the best guide for every datum. The choice and the result come from separate draws: no selection bias.

    A guide whose ELBO is not finite is not chosen; `details.diverged` counts the data of which one is not. Where none is
    finite the value is that of `instead` (N,), the ELBO of another member of the family.
    """
    with pyro.validation_enabled(False):  # a fit that diverged is left out, not an error
        first, second = (
            torch.stack([local_elbo(model, guide, x, fit.measured) for guide in guides])
            for _ in range(2)
        )
    finite = first.isfinite() & second.isfinite()
    chosen = first.where(finite, -torch.inf).argmax(0, keepdim=True)
    best, found = second.gather(0, chosen)[0], finite.any(0)
    diverged = int((~finite.all(0)).sum())
    details = Fitted(fit.restarts, diverged)
    return Estimate(
        best if instead is None else best.where(found, instead), "lower", fit.measured, details
    )


def local_elbo(model: nn.Module, guide: Local, x: Tensor, draws: int) -> Float64[Tensor, " N"]:
    """The ELBO of a guide that is one with its data: they cannot be taken part by part, as other guides' are."""
    at_once = max(1, rows_per_chunk(x, model) // len(x))
    counts = [min(at_once, draws - start) for start in range(0, draws, at_once)]
    return (
        torch.stack([local_weights(model, guide, x, count).sum(0) for count in counts]).sum(0)
        / draws
    )


def fit_local(model: nn.Module, guide: Local, x: Tensor, fit: Fit) -> Local:
    """Adam on the guide alone, with a learning rate that falls to zero; p stays as it is.

    A datum whose gradient is not finite has gone too far, and goes on from where it started; what the data share waits.
    """
    start = guide.h.detach().clone()
    shared = list(guide.family.parameters())  # of a flow: every datum pulls at them
    slower: dict[str, Any] = {"params": shared, "lr": fit.learning_rate / 10}
    optimiser = torch.optim.Adam([{"params": [guide.h]}, slower], lr=fit.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, fit.steps)
    with pyro.validation_enabled(False):  # validated when its ELBO is measured
        for _ in range(fit.steps):
            loss = -local_weights(model, guide, x, fit.draws).sum() / fit.draws
            own, *others = torch.autograd.grad(loss, [guide.h, *shared])
            finite = own.isfinite().all(1, keepdim=True)
            guide.h.data = guide.h.data.where(finite, start)
            guide.h.grad = own.where(finite, 0.0)
            for parameter, gradient in zip(shared, others, strict=True):
                parameter.grad = gradient.where(gradient.isfinite().all(), 0.0)
            optimiser.step()
            schedule.step()
    return guide


def local_weights(
    model: nn.Module, guide: Local, x: Tensor, draws: int
) -> Float64[Tensor, " draws N"]:
    """log p(x, z) − log q(z|x) of reparameterised draws, in one run of the model: differentiable, and NaN for NaN."""
    q = guide.posterior(x)
    z = q.rsample((draws,))
    program = poutine.condition(model, data={"z": z.flatten(0, 1)})
    log_joint = sum_log_probs(sample_sites(poutine.trace(program).get_trace(repeat_rows(x, draws))))
    return log_joint.reshape(draws, len(x)) - q.log_prob(z)
