"""Where log p(x) − ELBO comes from (Cremer et al. 2018, eq. 5).

    log p(x) − ELBO[q_φ] = (log p(x) − ELBO[q*])  +  (ELBO[q*] − ELBO[q_φ])
                            approximation: family      amortization: encoder

Here q* is the best member of the guide's family for this very datum, fitted without an encoder.
"""

import copy
from dataclasses import dataclass
from typing import Literal

import pyro
import torch
from jaxtyping import Float64
from torch import Tensor, nn

from errors import RequestError
from evaluation.local_fit import LocalFits, around, built_upon
from evidence.estimate import Annealed, Estimate, Fitted, standard_error
from evidence.progress import steps
from guides.amortized import Amortized
from guides.families.base import Family
from guides.families.flow import FlowFamily
from guides.local import Local

# What log p(x) − ELBO is measured from, best first.
Source = Literal["exact", "ais", "iwae"]


@dataclass(frozen=True)
class GapParts:
    """log p(x), and the ELBOs of the guide, of q*, and of the best q of a richer family, in nats.

    Each is an estimate of its own, so that means over data are what to read.
    """

    log_p: Estimate
    encoder: Estimate
    same_family: Estimate
    richer_family: Estimate | None = None

    @property
    def num_examples(self) -> int:
        """How many data the gap was measured on."""
        return self.log_p.num_examples

    @property
    def source(self) -> Source:
        """The kind of estimate that `log_p` is."""
        if self.log_p.kind == "exact":
            return "exact"
        return "ais" if isinstance(self.log_p.details, Annealed) else "iwae"

    @property
    def approximation(self) -> Float64[Tensor, " data"]:
        """log p(x) − ELBO[q*]: what the family cannot do."""
        return self.log_p.per_datum - self.same_family.per_datum

    @property
    def amortization(self) -> Float64[Tensor, " data"]:
        """ELBO[q*] − ELBO[q_φ]: what the encoder leaves."""
        return self.same_family.per_datum - self.encoder.per_datum

    @property
    def fits(self) -> Fitted:
        assert isinstance(self.same_family.details, Fitted)
        return self.same_family.details

    @property
    def richer_converged(self) -> bool:
        """Whether the richer family did no worse than the one it contains.

        It may be two standard errors below. No datum counts for more than a nat, so that one that
        ran away does not hide the others in the standard error.
        """
        if self.richer_family is None or _diverged(self.richer_family):
            return False
        difference = (self.richer_family.per_datum - self.same_family.per_datum).clamp(-1, 1)
        return float(difference.mean()) > -2 * standard_error(difference)

    @property
    def richer_approximation(self) -> Float64[Tensor, " data"] | None:
        """log p(x) − ELBO of the best q of the richer family, if that has converged."""
        if self.richer_family is None or not self.richer_converged:
            return None
        return self.log_p.per_datum - self.richer_family.per_datum


@dataclass(frozen=True)
class Gap:
    """The parts of the gap by the name of the split; the first is the one that was evaluated."""

    by_split: dict[str, GapParts]


def gap_parts(
    fits: LocalFits, guide: nn.Module, log_p: Estimate, richer: Family | None = None
) -> GapParts:
    """Fits a free q for every datum in the guide's own family, and in a richer one.

    Neither the model nor `guide` is changed.

    Arguments:
        fits: The model and the data, and how to fit.
        guide: An amortized guide.
        log_p: The exact evidence of these data, or the best estimate of it. A lower bound makes
            the part of the family read small.
        richer: A family that contains the guide's own. If it is built upon that (see `deeper`), its
            fits start at those of the guide's family.

    Raises:
        RequestError: The guide has no encoder.
        ArithmeticError: log p(x) or the ELBO of the guide is not finite, so that there is no gap.
    """
    amortized = with_encoder(guide)
    family = amortized.family
    with torch.no_grad(), pyro.validation_enabled(False):  # _check_finite names what is not finite
        encoded = amortized.encoder(fits.x)
        unfitted = Local(copy.deepcopy(family), encoded)
        encoder = Estimate(fits.elbo(unfitted), "lower", fits.how.measured)
    _check_finite("log p(x)", log_p)
    _check_finite("the guide's own ELBO", encoder)
    own = [fits.fit(start) for start in steps(fits.starts(family, encoded))]
    same_family = fits.best([unfitted, *own])
    if richer is None:
        return GapParts(log_p, encoder, same_family)
    if isinstance(richer, FlowFamily) and built_upon(richer, family):
        begin = [around(richer, local) for local in own]
    else:
        begin = fits.starts(richer)
    further = [fits.fit(start) for start in steps(begin)]
    richer_family = fits.best(further, instead=same_family.per_datum)
    return GapParts(log_p, encoder, same_family, richer_family)


def with_encoder(guide: nn.Module) -> Amortized:
    """Returns `guide`, or raises RequestError if it has no encoder that a free q can replace."""
    if isinstance(guide, Amortized):
        return guide
    raise RequestError(
        f"--gap: the guide {type(guide).__name__} has no encoder that a free q could replace; "
        "it takes model=vae or model=gmvae"
    )


def _diverged(estimate: Estimate) -> bool:
    return isinstance(estimate.details, Fitted) and estimate.details.diverged > 0


def _check_finite(what: str, estimate: Estimate) -> None:
    """Raises ArithmeticError, in one line, unless all values are finite."""
    broken = int((~estimate.per_datum.isfinite()).sum())
    if broken:
        raise ArithmeticError(f"{what} of {broken} of {estimate.num_examples} data is not finite")
