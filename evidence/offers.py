"""What a model, or a distribution, may offer to be measured better; nothing asks for it."""

from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.distributions import Distribution


@runtime_checkable
class Tractable(Protocol):
    """A joint p(x, z) with one latent site whose evidence and posterior have closed forms."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Returns log p(x) in nats (N,) float64, z integrated out."""

    def posterior(self, x: Tensor) -> Distribution:
        """Returns p(z|x): batch_shape (N,), event_shape that of the latent site."""


@runtime_checkable
class OffersExact(Protocol):
    """A model that says whether its evidence has a closed form; `exact` then takes that."""

    def tractable(self) -> Tractable | None:
        """Returns the joint with closed forms that this model is, or None if it is none."""


@runtime_checkable
class OffersSize(Protocol):
    """A model that says how many numbers it computes for a datum; chunks are then cut by that."""

    @property
    def floats_per_datum(self) -> int:
        """The size of what the decoder returns for one datum, where that exceeds the datum's."""


@runtime_checkable
class OffersFactors(Protocol):
    """A distribution of independent dimensions that tells their log-densities apart."""

    def log_factors(self, value: Tensor) -> Tensor:
        """Returns log p(x_d) of every dimension of `value` (rows, *shape), of the same shape."""


@runtime_checkable
class OffersNatural(Protocol):
    """A distribution of one number x that is an exponential family in x."""

    @property
    def natural(self) -> tuple[Tensor, Tensor]:
        """η and A of log p(x) = xη − A + b(x), each of the batch shape, in float64."""

    def log_base(self, value: Tensor) -> Tensor:
        """Returns b(x), (rows, *event), where *event are the last dimensions of the batch."""
