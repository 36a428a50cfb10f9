"""What every posterior family declares."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from models.distributions import Distribution
from models.distributions.softplus import inverse_softplus, positive

# σ of q where training starts. A posterior as wide as the prior tells the decoder little, and many
# latent dimensions would switch off for good in the first epoch.
START_SCALE = 0.1


class Family(nn.Module, ABC):
    """q(z|h) over one datum's z, where h is what the encoder makes of x.

    A family's `__init__` takes `latent_dim` by this name, and its own options, and sets
    `num_parameters`, the number of outputs that the encoder needs for one datum.

    Example:
        >>> import torch
        >>> from guides.families import MeanField
        >>> family = MeanField(latent_dim=2)
        >>> q = family(torch.zeros(5, family.num_parameters))
        >>> q.batch_shape, q.event_shape
        (torch.Size([5]), torch.Size([2]))
    """

    num_parameters: int

    @abstractmethod
    def forward(self, h: Float[Tensor, " N parameters"]) -> Distribution:
        """Returns q(z|h): batch_shape (N,), event_shape (latent_dim,)."""

    @property
    def note(self) -> str | None:
        """What a user should know before training with this family, in one line."""
        return None


def posterior_scale(raw: Float[Tensor, " *shape"]) -> Float[Tensor, " *shape"]:
    """Returns σ of q from unbounded numbers: `START_SCALE` at 0."""
    return positive(raw + inverse_softplus(START_SCALE))
