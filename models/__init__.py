"""Generative models p(z) p_θ(x|z) as Pyro programs, and the priors and likelihoods they join."""

from models.clustered import Clustered
from models.conditional import Conditional
from models.generative import Generative
from models.hierarchical import Hierarchical
from models.semi_supervised import SemiSupervised

__all__ = ["Clustered", "Conditional", "Generative", "Hierarchical", "SemiSupervised"]
