"""What every network declares."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Network(nn.Module, ABC):
    """A function from `(N, *in_shape)` to `(N, *out_shape)`, one of which is a datum's shape.

    A network's `__init__` takes `in_shape` and `out_shape` by these names, and its own options.

    Arguments:
        in_shape: the shape of one input.
        out_shape: the shape of one output.

    Example:
        >>> import torch
        >>> from networks import MLP
        >>> decoder = MLP(in_shape=(2,), out_shape=(8, 8), width=16)
        >>> decoder.start_at(torch.full((8, 8), 0.5))
        >>> decoder(torch.zeros(5, 2)).shape
        torch.Size([5, 8, 8])
    """

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)

    @abstractmethod
    def forward(self, inputs: Float[Tensor, " N *in_shape"]) -> Float[Tensor, " N *out_shape"]:
        """Returns the outputs of N inputs; each depends on its own input alone."""

    @abstractmethod
    def start_at(self, output: Float[Tensor, " *out_shape"]) -> None:
        """Sets the bias of the last layer, so that training starts from `output` for any input."""

    @property
    def last_layer(self) -> nn.Linear | None:
        """The linear layer that makes the outputs, or None if something else does."""
        return None

    @property
    def linear(self) -> nn.Linear | None:
        """The linear layer that the whole network is, or None if it is more than that."""
        return None

    @property
    def note(self) -> str | None:
        """What a user should know before training with this network, in one line."""
        return None
