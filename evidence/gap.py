"""Where log p(x) − ELBO comes from (Cremer et al. 2018, eq. 5).

    log p(x) − ELBO[q_φ] = (log p(x) − ELBO[q*])  +  (ELBO[q*] − ELBO[q_φ])
                            approximation: family      amortisation: encoder

with q* the best member of the guide's family for this very datum, fitted without an encoder.
"""

import copy
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Float64
from pyro.infer import Trace_ELBO
from torch import Tensor, nn

from errors import RequestError
from evidence.estimate import Estimate, standard_error
from evidence.lower import elbo
from guides.amortized import Amortized
from guides.families.base import Family
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
        """Whether the richer family did no worse than the one it contains, within two standard errors."""
        if self.richer_family is None:
            return False
        difference = self.richer_family.per_datum - self.same_family.per_datum
        return float(difference.mean()) > -2 * standard_error(difference)

    @property
    def richer_approximation(self) -> Float64[Tensor, " batch"] | None:
        """log p(x) − ELBO of the best q of the richer family; None where there is none or it has not converged."""
        if self.richer_family is None or not self.richer_converged:
            return None
        return self.log_p.per_datum - self.richer_family.per_datum

    def explain(self) -> str:
        family, encoder = float(self.approximation.mean()), float(self.amortisation.mean())
        advice = "a larger encoder or longer training" if encoder > family else "a richer guide family"
        richer = ""
        if self.richer_family is not None:
            left = self.richer_approximation
            richer = (
                f"; a richer family leaves {float(left.mean()):.2f}"
                if left is not None
                else "; the richer family has not converged (it ends below the one it contains): not counted"
            )
        return f"{family:.2f} nats of the gap are the family's, {encoder:.2f} the encoder's: {advice} gains most{richer}."


def split_gap(
    model: nn.Module,
    guide: Amortized,
    x: Float[Tensor, "N *shape"],
    log_p: Estimate,
    richer: Family | None = None,
    fit: Fit | None = None,
) -> GapSplit:
    """Fit a free q for every datum of `x` in the guide's own family, and in `richer`, which must contain it.

    `log_p` is the exact evidence, or the best estimate of it: a lower bound makes the approximation gap read small.
    Neither `model` nor `guide` is changed.
    """
    if not isinstance(guide, Amortized):
        raise RequestError(
            f"the gap of {type(guide).__name__} cannot be split: only an amortised guide has an encoder to do without"
        )
    fit = fit or Fit()
    with torch.no_grad():
        encoded = guide.encoder(x)
    same = best_local(model, cast(Family, guide.family), x, fit, encoded)
    return GapSplit(
        log_p,
        elbo(model, guide, x, fit.measured),
        same,
        best_local(model, richer, x, fit) if richer is not None else None,
    )


def best_local(model: nn.Module, family: Family, x: Tensor, fit: Fit, encoded: Tensor | None = None) -> Estimate:
    """The ELBO of the best start for every datum. The choice and the result come from separate draws: no selection bias."""
    guides = [fit_local(model, family, start.to(x.device), x, fit) for start in starts(family, len(x), fit.restarts, encoded)]
    chosen = torch.stack([elbo(model, guide, x, fit.measured).per_datum for guide in guides]).argmax(0)
    measured = torch.stack([elbo(model, guide, x, fit.measured).per_datum for guide in guides])
    return Estimate(measured.gather(0, chosen.unsqueeze(0))[0], "lower", fit.measured, {"restarts": fit.restarts})


def fit_local(model: nn.Module, family: Family, start: Tensor, x: Tensor, fit: Fit) -> Local:
    """Adam on h alone, with a learning rate that falls to zero; p stays as it is."""
    guide = Local(copy.deepcopy(family), start)
    parameters = list(guide.parameters())
    optimiser = torch.optim.Adam(parameters, lr=fit.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, fit.steps)
    objective = Trace_ELBO(num_particles=fit.draws, vectorize_particles=False)
    for _ in range(fit.steps):
        loss = objective.differentiable_loss(model, guide, x)
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
        schedule.step()
    return guide
