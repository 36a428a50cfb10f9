"""What every prior declares."""

from abc import ABC, abstractmethod

import pyro.distributions as dist
from torch import nn


class Prior(nn.Module, ABC):
    """p(z) over one datum's z.

    The first parameter of `__init__` is `latent_dim`, unless what the prior is made of says it. A
    prior may also ask for `posterior`, `examples` and `domain`, which the recipe of a model hands
    over by these names (see `models.priors.vamp.Vamp`).
    """

    @abstractmethod
    def forward(self) -> dist.TorchDistribution:
        """Returns p(z): batch_shape (), event_shape (latent_dim,)."""

    @property
    def note(self) -> str | None:
        """What a user should know before training with this prior, in one line."""
        return None
