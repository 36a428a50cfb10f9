"""Recognises a VAE that is factor analysis, whose evidence has a closed form."""

import pyro.distributions as dist
import torch
from torch import nn

from models.joints.factor_analysis import FactorAnalysis
from models.likelihoods.base import Likelihood
from models.likelihoods.gaussian import Gaussian
from models.priors.base import Prior
from models.priors.standard_normal import StandardNormal
from networks.base import Network


@torch.no_grad()
def as_factor_analysis(
    prior: Prior, decoder: nn.Module, likelihood: Likelihood
) -> FactorAnalysis | None:
    """Returns the factor analysis that p(z) p_θ(x|z) is, or None if it is none.

    It is one if the prior is N(0, I), the decoder a linear map, and the likelihood a Gaussian whose
    scale does not depend on z.
    """
    if type(prior) is not StandardNormal or type(likelihood) is not Gaussian:
        return None
    if not isinstance(decoder, Network) or decoder.out_shape != likelihood.shape:
        return None
    if (linear := decoder.linear) is None:
        return None
    noise = likelihood(linear.bias.reshape(1, *likelihood.shape)).base_dist
    if type(noise) is not dist.Normal:
        return None  # the scale of a training batch, which depends on x
    return FactorAnalysis(linear.weight, noise.loc[0], noise.scale[0].double() ** 2)
