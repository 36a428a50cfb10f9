"""Pyro's autoregressive transforms, with an inverse that works in every dtype and stops early.

The inverse records no tape: its gradients come from the implicit function theorem.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from pyro.distributions.transforms import AffineAutoregressive, ConditionalAffineAutoregressive
from torch import Tensor

# A solution that moves by fewer units of rounding than this has settled.
SETTLED = 10


class InvertibleAutoregressive(AffineAutoregressive):
    """Pyro's transform f, whose own inverse works in float32 only."""

    def __init__(self, autoregressive_nn: Callable[..., object], **options: Any) -> None:
        super().__init__(autoregressive_nn, **options)
        # Pyro binds one of its two inverses to the object, not only to the class.
        vars(self)["_inverse"] = self._solve

    def _solve(self, y: Tensor) -> Tensor:
        """Returns x with f(x) = y; the Jacobian is triangular, with f's scales as its diagonal."""

        def newton_step(x: Tensor) -> Tensor:
            return (y - self._call(x)) * torch.exp(-self._cached_log_scale)

        with torch.no_grad():
            x = settle(newton_step, torch.zeros_like(y))
        if torch.is_grad_enabled():
            x = self._with_gradients(x, y)
        self._call(x)  # Pyro reads the log-determinant from the last call
        return x

    def _with_gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Returns x with its first derivatives, by the implicit function theorem.

        From ∂f(x)/∂x dx = dy − ∂f/∂θ dθ, a gradient g of x reaches y and the parameters θ as the
        λ that solves (∂f/∂x)ᵀ λ = g.
        """
        at = x.clone().requires_grad_()
        f = self._call(at)
        scale = torch.exp(self._cached_log_scale).detach()

        def solve_transposed(g: Tensor) -> Tensor:
            return settle(
                lambda v: (g - torch.autograd.grad(f, at, v, retain_graph=True)[0]) / scale,
                torch.zeros_like(g),
            )

        residual = y - self._call(x)  # its value is zero, its derivatives are not
        if residual.requires_grad:
            residual.register_hook(solve_transposed)
        return x + residual


class ConditionalInvertibleAutoregressive(ConditionalAffineAutoregressive):
    """The transform whose network also sees a context."""

    def condition(self, context: Float[Tensor, " *batch context"]) -> InvertibleAutoregressive:
        """Returns the transform for the given contexts."""
        network = super().condition(context).arn
        return InvertibleAutoregressive(network, **self.kwargs)


def settle(
    step: Callable[[Tensor], Tensor], x: Float[Tensor, " *batch D"]
) -> Float[Tensor, " *batch D"]:
    """Repeats x ← x + step(x) until x no longer moves.

    `step` divides by the diagonal of a triangular system of D equations. Every pass makes one more
    equation exact, so D passes are always enough; most often a few are.
    """
    for _ in range(x.shape[-1]):
        move = step(x)
        x = x + move
        if bool((move.abs() <= SETTLED * torch.finfo(x.dtype).eps * (1 + x.abs())).all()):
            break
    return x
