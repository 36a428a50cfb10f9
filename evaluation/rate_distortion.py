"""The two terms of the ELBO as rate and distortion."""

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor


@dataclass(frozen=True)
class RateDistortion:
    """The rate KL(q(z|x)‖p(z)) and the distortion −E_q[log p(x|z)] per datum, in nats.

    Their sum is −ELBO (Alemi et al. 2018). `particles` are the draws of z for each datum.
    """

    rate: Float64[Tensor, " data"]
    distortion: Float64[Tensor, " data"]
    particles: int
