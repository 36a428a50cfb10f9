"""log p(x), bracketed: for any Pyro pair with one data plate, continuous latents inside it and one observed site."""

from evidence.annealing import Annealing, ais, bidirectional, reverse_ais
from evidence.estimate import Estimate
from evidence.exact import exact
from evidence.lower import elbo, elbo_terms, iwae
from evidence.upper import eubo, iw_eubo, simulate
from evidence.weights import log_weights

__all__ = [
    "Annealing",
    "Estimate",
    "ais",
    "bidirectional",
    "elbo",
    "elbo_terms",
    "eubo",
    "exact",
    "iw_eubo",
    "iwae",
    "log_weights",
    "reverse_ais",
    "simulate",
]
