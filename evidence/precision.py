"""Log-densities of float32 distributions whose terms are large, taken in float64.

A log-density is often a small difference of large terms, x log λ − λ − log x! say, and float32
keeps seven digits of each. A distribution that is made of tensors alone is also one in float64, of
the same parameters; its log-density there is what the program means.
"""

import copy
from typing import TypeVar

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import Distribution, TransformedDistribution
from torch.distributions.transforms import AbsTransform, ExpTransform, PowerTransform

from evidence.parts import parts_of

Law = TypeVar("Law", bound=Distribution)


def _and_torchs(*families: type[Distribution]) -> set[type[object]]:
    """Returns Pyro's classes and those of torch that they, or others, are made of."""
    return {kind for family in families for kind in family.__mro__ if kind not in GENERAL}


# Families by class; one of a user's own counts if it inherits the density. These terms cancel,
GENERAL = {*dist.TorchDistribution.__mro__, *TransformedDistribution.__mro__}
CANCELLING = _and_torchs(
    *(dist.Poisson, dist.Binomial, dist.NegativeBinomial, dist.GammaPoisson, dist.BetaBinomial),
    *(dist.Multinomial, dist.DirichletMultinomial, dist.ZeroInflatedDistribution, dist.Geometric),
    *(dist.ZeroInflatedPoisson, dist.ZeroInflatedNegativeBinomial, dist.ContinuousBernoulli),
    *(dist.Gamma, dist.InverseGamma, dist.Chi2, dist.Beta, dist.Dirichlet, dist.VonMises),
    *(dist.LowRankMultivariateNormal,),
)
# and those of these are large where a scale is small, as that of data may be.
LARGE = _and_torchs(
    *(dist.Normal, dist.Laplace, dist.StudentT, dist.Cauchy, dist.Exponential, dist.LogNormal),
    *(dist.MultivariateNormal, dist.MultivariateStudentT, dist.HalfNormal, dist.HalfCauchy),
    *(dist.Logistic, dist.AsymmetricLaplace),
)
# What they may be inside of, or made with.
AROUND = _and_torchs(dist.Independent, dist.MaskedDistribution, dist.ExpandedDistribution)
AROUND |= _and_torchs(dist.MixtureSameFamily, dist.Categorical)
AROUND |= {ExpTransform, AbsTransform, PowerTransform}

# Other families' terms stay moderate: what float32 rounds to probability 0 or 1 is clamped, and
# that is part of the program. So are the digits of a flow's network, which cost less than 1e-3 nats
# where the flow draws. Sums of so many of them are taken in float64.
MANY = 2**12


def log_prob(distribution: Distribution, value: Tensor, is_data: bool = False) -> Tensor:
    """Returns the log-density of `value`, in float64 where float32 is too coarse for its terms.

    That is where terms cancel, and, of data, where they may be large.
    """
    kinds = {_family(type(part)) for part in parts_of(distribution)}
    families = CANCELLING | LARGE if is_data else CANCELLING
    if kinds & families and kinds <= AROUND | CANCELLING | LARGE:
        return doubled(distribution).log_prob(value.double())
    if type(distribution) is dist.Independent and distribution.event_shape.numel() >= MANY:
        terms = log_prob(distribution.base_dist, value, is_data)
        axes = range(-distribution.reinterpreted_batch_ndims, 0)
        return terms.sum(tuple(axes), dtype=torch.float64)
    return distribution.log_prob(value)


def _family(kind: type[object]) -> type[object]:
    """Returns the class above that has the density of `kind`; `kind` itself if none has."""
    if kind in AROUND or not issubclass(kind, Distribution):
        return kind
    for base in kind.__mro__:
        known = base in CANCELLING | LARGE
        if known and issubclass(base, Distribution) and base.log_prob is kind.log_prob:
            return base
    return kind


def doubled(part: Law) -> Law:
    """Returns a copy whose tensors of lower precision are float64, at whatever depth."""
    other = copy.copy(part)
    if isinstance(part, dist.LowRankMultivariateNormal):
        # Its Cholesky factor is of float32 numbers that cancel, and is made again.
        given = (part.loc.double(), part.cov_factor.double(), part.cov_diag.double())
        vars(other).update(vars(dist.LowRankMultivariateNormal(*given, validate_args=False)))
        return other
    for name, value in vars(part).items():
        if isinstance(value, Tensor) and value.is_floating_point():
            vars(other)[name] = value.double()
        elif isinstance(value, Distribution):
            vars(other)[name] = doubled(value)
    return other
