"""The type of every distribution that `pyro.sample` takes, whether it comes from torch or not."""

import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin as Distribution

__all__ = ["Distribution", "Shape"]

# What torch's distributions take for a shape.
Shape = torch.Size | list[int] | tuple[int, ...]
