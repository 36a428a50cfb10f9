"""Inverse autoregressive flow: z_j = s_j z′_j + (1 − s_j) m_j (Kingma et al. 2016, eq. 14).

(m, s) are functions of z′_{<j} and h.
"""

from typing import Any

import torch
from pyro.nn import ConditionalAutoRegressiveNN
from torch import nn

from guides.families.flow import FlowFamily
from models.distributions import ConditionalInvertibleAutoregressive


class IAF(FlowFamily):
    """Gated IAF: a draw and its log q take one pass; log q of another z takes one per dimension."""

    def __init__(
        self, latent_dim: int, layers: int = 2, width: int = 128, context: int = 64
    ) -> None:
        super().__init__(latent_dim, layers, width, context)

    def layer(self, width: int, context: int) -> nn.Module:
        """Makes a gated layer that moves z_j by what comes before it, and by the context."""
        # The order is fixed: the masks depend on it, and a random one would have to be saved too.
        order: Any = torch.arange(self.latent_dim)
        made = ConditionalAutoRegressiveNN(
            self.latent_dim, context, [width], permutation=order, nonlinearity=nn.ELU()
        )
        return ConditionalInvertibleAutoregressive(made, stable=True)
