"""log p(x), bracketed: for any Pyro pair with one data plate, continuous latents inside it and one observed site."""

from evidence.estimate import Estimate
from evidence.exact import exact
from evidence.lower import elbo, elbo_terms, iwae
from evidence.weights import log_weights

__all__ = ["Estimate", "elbo", "elbo_terms", "exact", "iwae", "log_weights"]
