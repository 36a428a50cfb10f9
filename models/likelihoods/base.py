"""What every likelihood declares."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from models.distributions import Distribution


class Likelihood(nn.Module, ABC):
    """p(x|h) over one datum of `shape`, where h is what the decoder makes of z.

    A likelihood sets `spaces`, the names of the spaces that it is a distribution on, and defines
    `forward` and `start`. Its `__init__` takes `shape` by this name, `levels` and `quantum` of the
    data if it asks for them, and its own options. What follows `unbind` below are hooks, which
    most likelihoods leave as they are.

    Arguments:
        shape: the shape of one datum.
        parameters_per_dimension: how many numbers the decoder makes for each dimension of x; h is
            (N, *parameter_shape), with `parameter_shape` = (parameters_per_dimension, *shape), or
            `shape` if it is 1.

    Example:
        >>> import torch
        >>> from models.likelihoods import Gaussian
        >>> likelihood = Gaussian(shape=(3,), scale="predicted")
        >>> likelihood.spaces, likelihood.parameter_shape
        (('unit', 'real'), (2, 3))
        >>> p = likelihood(torch.zeros(5, 2, 3))
        >>> p.batch_shape, p.event_shape
        (torch.Size([5]), torch.Size([3]))
    """

    spaces: ClassVar[tuple[str, ...]]

    def __init__(self, shape: tuple[int, ...], parameters_per_dimension: int = 1) -> None:
        super().__init__()
        self.shape = tuple(shape)
        several = () if parameters_per_dimension == 1 else (parameters_per_dimension,)
        self.parameter_shape = (*several, *self.shape)

    @abstractmethod
    def forward(self, h: Float[Tensor, " N *parameter_shape"]) -> Distribution:
        """Returns p(x|h): batch_shape (N,), event_shape `shape`."""

    @abstractmethod
    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *parameter_shape"]:
        """Returns the h at which E[x|h] is `mean`, the mean of the training data.

        The decoder's output starts there.
        """

    def mean(self, h: Float[Tensor, " N *parameter_shape"]) -> Float[Tensor, " N *shape"]:
        """Returns E[x|h], in the units of the data."""
        return self(h).mean

    def unbind(
        self, h: Float[Tensor, " N parameters *shape"]
    ) -> tuple[Float[Tensor, " N *shape"], ...]:
        """Returns the several parameters of every dimension, each (N, *shape)."""
        return h.unbind(-1 - len(self.shape))

    @property
    def note(self) -> str | None:
        """What a reader of the run's numbers should know, in one line."""
        return None

    @classmethod
    def misfit(cls, space: str, dimensions: int) -> str | None:
        """Explains why this is no distribution on a space, where a sentence on it helps.

        Arguments:
            space: the name of a space that is not in `spaces`.
            dimensions: the number of dimensions of one datum.

        Returns:
            The explanation, or None if there is nothing to add to the list of `spaces`.
        """
        return None

    @property
    def has_location(self) -> bool:
        """Whether h is a location in the units of x, or the first of its parameters is."""
        return False

    def in_units(self, sd: Float[Tensor, " *shape"]) -> None:
        """Measures scales that are not given in the standard deviations of the training data.

        This is called for columns in units of their own; the density stays in those.
        """

    @property
    def couples_data(self) -> str | None:
        """Why, in training, log p(x|h) of one datum depends on the others of its batch, if it does.

        Several processes, of which each sees a part of the batch, cannot train with it.
        """
        return None

    @property
    def needs_refit(self) -> bool:
        """Whether `refit` has something to set."""
        return False

    def refit(
        self,
        pairs: Iterable[tuple[Float[Tensor, " N *parameter_shape"], Float[Tensor, " N *shape"]]],
    ) -> None:
        """Sets what is estimated from the training set by a formula, and not by gradients.

        It is called before every measurement if `needs_refit`. What it sets is part of the state.

        Arguments:
            pairs: (h, x) of every batch of the training set, with z drawn from the guide.
        """
