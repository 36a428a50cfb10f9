"""The type of every distribution that `pyro.sample` takes, whether it comes from torch or not."""

from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution

__all__ = ["Distribution"]
