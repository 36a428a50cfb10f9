"""The mean of what a program observes, whether its distribution knows it or not."""

import torch
from torch import Tensor
from torch.distributions import Distribution

# Draws whose average stands for a mean that is not known.
DRAWS = 32


def mean_of(law: Distribution) -> Tensor:
    """Returns the mean of a distribution, or the average of some draws if it has no formula for it.

    >>> normal = torch.distributions.Normal(torch.tensor([2.0]), 1.0)
    >>> mean_of(normal)
    tensor([2.])
    >>> bounded = torch.distributions.TransformedDistribution(
    ...     normal, torch.distributions.SigmoidTransform())
    >>> 0.7 < float(mean_of(bounded)) < 1
    True
    """
    try:
        return law.mean
    except NotImplementedError:
        return torch.stack([law.sample() for _ in range(DRAWS)]).mean(0)
