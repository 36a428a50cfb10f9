"""Pyro's autoregressive layers, with an inverse that works in every dtype, ends early and keeps no tape."""

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions.transforms import AffineAutoregressive, ConditionalAffineAutoregressive
from torch import Tensor

SETTLED = 10
"""Units of rounding below which a number is taken not to move any more."""


class InvertibleAutoregressive(AffineAutoregressive):
    """Pyro's layer f; its own inverse makes float32 whatever it is given, and so fails in float64."""

    def __init__(self, autoregressive_nn: Any, **options: Any) -> None:
        super().__init__(autoregressive_nn, **options)
        vars(self)["_inverse"] = (
            self._solve
        )  # Pyro binds one of its two inverses to the object, too

    def _solve(self, y: Tensor) -> Tensor:
        """x with f(x) = y. The Jacobian is triangular with the layer's scales as its diagonal."""
        with torch.no_grad():
            x = settle(
                lambda x: (y - self._call(x)) * torch.exp(-self._cached_log_scale),
                torch.zeros_like(y),
            )
        if torch.is_grad_enabled():
            x = self._with_gradients(x, y)
        self._call(x)  # Pyro reads the log-determinant from its last call
        return x

    def _with_gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """x with its first derivatives: ∂f(x)/∂x dx = dy − ∂f/∂θ dθ (implicit function theorem), so that a gradient g of x
        reaches y and the parameters θ as the λ that solves (∂f/∂x)ᵀ λ = g."""
        at = x.clone().requires_grad_()
        f = self._call(at)
        scale = torch.exp(self._cached_log_scale).detach()

        def solve_transposed(g: Tensor) -> Tensor:
            return settle(
                lambda v: (g - torch.autograd.grad(f, at, v, retain_graph=True)[0]) / scale,
                torch.zeros_like(g),
            )

        residual = y - self._call(x)  # nought, but for its derivatives
        if residual.requires_grad:
            residual.register_hook(solve_transposed)
        return x + residual


def settle(step: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """x + step(x), again and again, for a step by the diagonal of a triangular system of x.shape[-1] equations: every pass
    makes one more exact, so as many passes as equations are always enough; most often a few are."""
    for _ in range(x.shape[-1]):
        move = step(x)
        x = x + move
        if bool((move.abs() <= SETTLED * torch.finfo(x.dtype).eps * (1 + x.abs())).all()):
            break
    return x


class ConditionalInvertibleAutoregressive(ConditionalAffineAutoregressive):
    """The layer whose network also sees a context."""

    def condition(self, context: Tensor) -> InvertibleAutoregressive:
        """The transform for one context (N, context)."""
        network = super().condition(context).arn
        return InvertibleAutoregressive(network, **self.kwargs)
