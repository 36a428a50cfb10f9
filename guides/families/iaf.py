"""Inverse autoregressive flow: z_j = s_j z′_j + (1 − s_j) m_j, (m, s)(z′_{<j}, h) (Kingma et al. 2016, eq. 14)."""

from typing import Any

import torch
from pyro.nn import ConditionalAutoRegressiveNN
from torch import nn

from guides.families.flow import FlowFamily
from networks.autoregressive import ConditionalInvertibleAutoregressive


class IAF(FlowFamily):
    """Gated IAF: draws and their log q take one pass; log q of any other z is sequential in the dimensions."""

    def __init__(
        self, latent_dim: int, layers: int = 2, width: int = 128, context: int = 64
    ) -> None:
        super().__init__(latent_dim, layers, width, context)

    def layer(self, width: int, context: int) -> nn.Module:
        """A gated autoregressive layer; z_d is moved by what comes before it, and the context."""
        # The order is fixed: the masks depend on it, and a random one would have to be kept with them.
        order: Any = torch.arange(self.latent_dim)
        made = ConditionalAutoRegressiveNN(
            self.latent_dim, context, [width], permutation=order, nonlinearity=nn.ELU()
        )
        return ConditionalInvertibleAutoregressive(made, stable=True)
