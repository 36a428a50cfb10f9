"""p(x|z) = Π N(x_i; h_i, σ²): the likelihood behind squared error."""

import math

import pyro.distributions as dist
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from errors import RequestError
from models.likelihoods.base import Likelihood

SCALES = ("learned",)


class Gaussian(Likelihood):
    """Independent normals with mean h and one σ = `scale`: a positive number, or `learned`.

    The default σ = √½ makes −log p(x|z) the plain sum of squares plus (D/2) log π. A learned σ starts at `start_scale`
    and is floored at the width of one grey level (`quantum`): below it a density grows without bound on atoms
    (Mattei & Frellsen 2018).
    """

    raw_scale: Tensor
    fixed_scale: Tensor
    spaces = ("unit", "real")

    def __init__(self, shape: tuple[int, ...], quantum: float | None = None, scale: float | str = math.sqrt(0.5)) -> None:
        super().__init__(shape)
        self.floor = 1e-3 if quantum is None else quantum
        if scale == "learned":
            self.raw_scale = nn.Parameter(torch.tensor(math.log(math.expm1(0.5))))
        elif isinstance(scale, int | float) and scale > 0 and math.isfinite(scale):
            self.register_buffer("fixed_scale", torch.tensor(float(scale)))
        else:
            raise RequestError(f"likelihood.scale={scale}: a positive number or one of {', '.join(SCALES)}")
        self.learned = scale == "learned"

    @property
    def scale(self) -> Float[Tensor, ""]:
        """σ, in the units of x."""
        return self.floor + F.softplus(self.raw_scale) if self.learned else self.fixed_scale

    def forward(self, h: Float[Tensor, "N *shape"]) -> dist.TorchDistribution:
        return dist.Normal(h, self.scale).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return mean

    def mean(self, h: Float[Tensor, "N *shape"]) -> Float[Tensor, "N *shape"]:
        return h
