"""What every prior declares."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from models.distributions import Distribution


class Prior(nn.Module, ABC):
    """p(z) over one datum's z.

    A prior's `__init__` takes `latent_dim` by this name, unless what the prior is made of says it,
    and its own options. It may also ask for `posterior`, `examples` and `domain`, which the recipe
    of a model hands over by these names (see `models.priors.vamp.Vamp`).

    Example:
        >>> import torch
        >>> from models.priors import StandardNormal
        >>> p = StandardNormal(latent_dim=2)()
        >>> p.batch_shape, p.event_shape
        (torch.Size([]), torch.Size([2]))
        >>> round(float(p.log_prob(torch.zeros(2))), 4)
        -1.8379
    """

    # Whether the rate stays low unless the KL term weighs less early in training.
    needs_warm_up: ClassVar[bool] = False

    @abstractmethod
    def forward(self) -> Distribution:
        """Returns p(z): batch_shape (), event_shape (latent_dim,)."""

    @property
    def note(self) -> str | None:
        """What a user should know before training with this prior, in one line."""
        return None
