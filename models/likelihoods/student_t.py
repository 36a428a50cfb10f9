"""p(x|z) = Π t_ν((x_i − h_i)/σ)/σ: heavy tails, so that outliers do not pull the mean."""

import pyro.distributions as dist
from jaxtyping import Float
from torch import Tensor

from models.distributions import Distribution
from models.likelihoods.location_scale import LocationScale


class StudentT(LocationScale):
    """Independent Student-t distributions with location h and ν degrees of freedom.

    Their scale σ = `scale` is not their standard deviation, which is infinite for ν ≤ 2.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        quantum: float | None = None,
        scale: float | str = "learned",
        degrees_of_freedom: float = 4.0,
    ) -> None:
        super().__init__(shape, quantum, scale)
        if not degrees_of_freedom > 0:
            raise ValueError(f"degrees_of_freedom={degrees_of_freedom}: must be a positive number")
        self.degrees_of_freedom = float(degrees_of_freedom)

    def each(self, h: Float[Tensor, " N *parameter_shape"]) -> Distribution:
        location, scale = self.location_and_scale(h)
        degrees = location.new_tensor(self.degrees_of_freedom)
        return dist.StudentT(degrees, location, scale)
