"""Generative models p(z) p_θ(x|z): their priors, their likelihoods, and the joints as Pyro programs."""

from models.clustered import Clustered
from models.conditional import Conditional
from models.generative import Generative
from models.hierarchical import Hierarchical

__all__ = ["Clustered", "Conditional", "Generative", "Hierarchical"]
