"""log p(x), bracketed, of any Pyro pair.

A pair is a model p(x, z) and a guide q(z|x): two Pyro programs with one data plate, the latents in
it, and what is observed of a datum. Nothing else is asked of them.

>>> import torch
>>> from evidence.example import guide, model, x   # yours go here
>>> truth = exact(model, guide, x)                 # None for most models
>>> _ = torch.manual_seed(0)
>>> bounds = [elbo(model, guide, x), iwae(model, guide, x, 1000), truth]
>>> [bound.kind for bound in bounds]
['lower', 'lower', 'exact']
>>> [round(bound.mean, 1) for bound in bounds]
[-1.8, -1.7, -1.7]
"""

from evidence.annealing import Annealing, Bracket, ais, bidirectional, reverse_ais
from evidence.batch import Batch
from evidence.calibration import Calibration, simulation_based_calibration
from evidence.coupling import Coupling, posterior_draws
from evidence.draws import PosteriorDraws
from evidence.enumeration import enumeration
from evidence.estimate import Estimate
from evidence.exact import exact, posterior_draw
from evidence.importance import Importance
from evidence.imputation import Imputation, impute
from evidence.lower import Terms, elbo, elbo_terms, iwae
from evidence.offers import OffersExact, OffersFactors, OffersSize
from evidence.quadrature import quadrature
from evidence.recording import recorded
from evidence.reliability import Reliability, reliability
from evidence.two_sided import bracket
from evidence.unsupported import UnsupportedPair
from evidence.upper import eubo, iw_eubo, simulate
from evidence.usage import LatentUsage, latent_usage
from evidence.version import __version__
from evidence.weights import log_weights

__all__ = [
    "Annealing",
    "Batch",
    "Bracket",
    "Calibration",
    "Coupling",
    "Estimate",
    "Importance",
    "Imputation",
    "LatentUsage",
    "OffersExact",
    "OffersFactors",
    "OffersSize",
    "PosteriorDraws",
    "Reliability",
    "Terms",
    "UnsupportedPair",
    "__version__",
    "ais",
    "bidirectional",
    "bracket",
    "elbo",
    "elbo_terms",
    "enumeration",
    "eubo",
    "exact",
    "impute",
    "iw_eubo",
    "iwae",
    "latent_usage",
    "log_weights",
    "posterior_draw",
    "posterior_draws",
    "quadrature",
    "recorded",
    "reliability",
    "reverse_ais",
    "simulate",
    "simulation_based_calibration",
]


def __dir__() -> list[str]:
    """What is public here."""
    return sorted(__all__)
