"""Likelihoods p(x|z): one family a file."""

from models.likelihoods.base import Likelihood
from models.likelihoods.bernoulli import Bernoulli
from models.likelihoods.beta import Beta
from models.likelihoods.categorical import Categorical
from models.likelihoods.continuous_bernoulli import ContinuousBernoulli
from models.likelihoods.discretized_logistic import DiscretizedLogistic
from models.likelihoods.gaussian import Gaussian
from models.likelihoods.laplace import Laplace
from models.likelihoods.negative_binomial import NegativeBinomial
from models.likelihoods.poisson import Poisson
from models.likelihoods.student_t import StudentT

__all__ = [
    "Bernoulli",
    "Beta",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Gaussian",
    "Laplace",
    "Likelihood",
    "NegativeBinomial",
    "Poisson",
    "StudentT",
]
