"""p(z) = Π t_ν(z_j): heavy tails, so that far codes cost less."""

import pyro.distributions as dist
import torch
from torch import Tensor

from models.distributions import Distribution
from models.priors.base import Prior


class StudentT(Prior):
    """Independent Student-t distributions of scale 1 with ν = `degrees_of_freedom`."""

    degrees: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int, degrees_of_freedom: float = 5.0) -> None:
        super().__init__()
        if not degrees_of_freedom > 0:
            raise ValueError(f"degrees_of_freedom={degrees_of_freedom}: must be a positive number")
        degrees = torch.full((latent_dim,), float(degrees_of_freedom))
        self.register_buffer("degrees", degrees, persistent=False)
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def forward(self) -> Distribution:
        return dist.StudentT(self.degrees, self.loc, self.scale).to_event(1)
