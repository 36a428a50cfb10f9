"""p(z) = Π t_ν(z_j): heavy tails, so that far codes cost less."""

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from errors import RequestError


class StudentT(nn.Module):
    """Independent Student-t with ν = `degrees_of_freedom` and scale 1. No parameters."""

    degrees: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int, degrees_of_freedom: float = 5.0) -> None:
        super().__init__()
        if not degrees_of_freedom > 0:
            raise RequestError(
                f"prior.degrees_of_freedom={degrees_of_freedom}: must be a positive number"
            )
        self.register_buffer(
            "degrees", torch.full((latent_dim,), float(degrees_of_freedom)), persistent=False
        )
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def forward(self) -> dist.TorchDistribution:
        return dist.StudentT(self.degrees, self.loc, self.scale).to_event(1)
