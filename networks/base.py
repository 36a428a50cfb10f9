"""What every network declares."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """A function from `(N, *in_shape)` to `(N, *out_shape)`, one of which is a datum's shape.

    `__init__` takes `in_shape` and `out_shape` by these names, then its own options.
    """

    @abstractmethod
    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        """Returns the outputs of N inputs; each depends on its own input alone."""

    @abstractmethod
    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        """Sets the bias of the last layer, so that training starts from `output`, whatever z is."""
