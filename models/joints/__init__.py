"""Joints p(z) p(x|z) whose evidence log p(x) and posterior p(z|x) are known exactly.

Every estimator is tested on them. Each is a Pyro program with the sites and the plate of
`Generative`, so that guides and estimators take it unchanged, and each computes in float64,
whatever the dtype of the data is.
"""

from models.joints.base import Tractable
from models.joints.beta_bernoulli import BetaBernoulli
from models.joints.factor_analysis import FactorAnalysis, probabilistic_pca
from models.joints.gamma_poisson import GammaPoisson
from models.joints.gaussian_mixture import GaussianMixture
from models.joints.posterior import ExactPosterior, Posterior

__all__ = [
    "BetaBernoulli",
    "ExactPosterior",
    "FactorAnalysis",
    "GammaPoisson",
    "GaussianMixture",
    "Posterior",
    "Tractable",
    "probabilistic_pca",
]
