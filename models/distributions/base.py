"""Types of Pyro's distributions."""

import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin

# What `pyro.sample` takes: torch's distributions as Pyro extends them, and Pyro's own.
Distribution = TorchDistributionMixin

# The shape of a batch or of a sample, as torch's distributions accept it.
Shape = torch.Size | list[int] | tuple[int, ...]
