"""p(x|z) = Π Laplace(x_i; h_i, b): the likelihood behind absolute error."""

import pyro.distributions as dist
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution
from models.likelihoods.location_scale import LocationScale


class Laplace(LocationScale):
    """Independent Laplace distributions with median h and E|x − h| = b = `scale`."""

    def __init__(
        self, shape: tuple[int, ...], quantum: float | None = None, scale: float | str = "learned"
    ) -> None:
        super().__init__(shape, quantum, scale)

    def each(self, h: Float[Tensor, " N *parameter_shape"]) -> Distribution:
        return dist.Laplace(*self.location_and_scale(h))
