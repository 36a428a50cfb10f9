"""Pyro's autoregressive layers, with an inverse that works in every dtype."""

from typing import Any

import torch
from pyro.distributions.transforms import AffineAutoregressive, ConditionalAffineAutoregressive
from torch import Tensor


class InvertibleAutoregressive(AffineAutoregressive):
    """Pyro's layer; its own inverse makes float32 whatever it is given, and so fails in float64."""

    def __init__(self, autoregressive_nn: Any, **options: Any) -> None:
        super().__init__(autoregressive_nn, **options)
        vars(self)["_inverse"] = self._solve  # Pyro binds one of its two inverses to the object, too

    def _solve(self, y: Tensor) -> Tensor:
        """Newton's method: the Jacobian is triangular, so each pass makes one more dimension exact."""
        x = torch.zeros_like(y)
        for _ in range(y.shape[-1]):
            x = x + (y - self._call(x)) * torch.exp(-self._cached_log_scale)
        self._call(x)  # Pyro reads the log-determinant from its last call
        return x


class ConditionalInvertibleAutoregressive(ConditionalAffineAutoregressive):
    """The layer whose network also sees a context."""

    def condition(self, context: Tensor) -> InvertibleAutoregressive:
        """The transform for one context (N, context)."""
        network = super().condition(context).arn
        return InvertibleAutoregressive(network, **self.kwargs)
