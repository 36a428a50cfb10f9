"""Pyro's autoregressive transforms, with an inverse that works in every dtype and stops early.

The inverse records no tape: its gradients come from the implicit function theorem.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pyro.distributions import constraints
from pyro.distributions.torch_transform import TransformModule
from pyro.distributions.transforms import ConditionalAffineAutoregressive
from pyro.distributions.transforms.utils import clamp_preserve_gradients
from torch import Tensor

# A solution that moves by fewer units of rounding than this has settled.
SETTLED = 10

# Pyro's own bounds of log σ; and what it adds to the logit of σ where that is in (0, 1).
CLIPPED = (-5.0, 3.0)
STABLE = 2.0


class InvertibleAutoregressive(TransformModule):
    """The f of Pyro's AffineAutoregressive, whose own inverse works in float32 only.

    Arguments:
        autoregressive_nn: maps x to a shift and a log-scale of every dimension.
        stable: makes y = σx + (1 − σ)μ with σ in (0, 1), instead of y = σx + μ.
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True
    sign = +1
    autoregressive = True

    def __init__(self, autoregressive_nn: Callable[..., Any], stable: bool = False) -> None:
        super().__init__(cache_size=1)
        self.arn, self.stable = autoregressive_nn, stable
        self.last: tuple[Tensor, Tensor] | None = None  # x, and log σ there

    def _call(self, x: Tensor) -> Tensor:
        mean, raw = self.arn(x)
        if self.stable:
            log_scale, scale = F.logsigmoid(raw + STABLE), torch.sigmoid(raw + STABLE)
            mean = (1 - scale) * mean
        else:
            log_scale = clamp_preserve_gradients(raw, *CLIPPED)
            scale = log_scale.exp()
        self.last = x, log_scale
        return scale * x + mean

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Returns log |det ∂f/∂x| at x, for which the network does not run again after f or f⁻¹."""
        return self._log_scale(x).sum(-1)

    def _log_scale(self, x: Tensor) -> Tensor:
        if self.last is None or self.last[0] is not x:
            self._call(x)
        assert self.last is not None
        return self.last[1]

    def _inverse(self, y: Tensor) -> Tensor:
        """Returns x with f(x) = y; the Jacobian is triangular, with f's scales as its diagonal."""

        def newton_step(x: Tensor) -> Tensor:
            return (y - self._call(x)) * torch.exp(-self._log_scale(x))

        with torch.no_grad():
            x = settle(newton_step, torch.zeros_like(y))
        if torch.is_grad_enabled():
            x = self._with_gradients(x, y)
        self._call(x)  # the log-determinant is that of the last call
        return x

    def _with_gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """Returns x with its first derivatives, by the implicit function theorem.

        From ∂f(x)/∂x dx = dy − ∂f/∂θ dθ, a gradient g of x reaches y and the parameters θ as the
        λ that solves (∂f/∂x)ᵀ λ = g.
        """
        at = x.clone().requires_grad_()
        f = self._call(at)
        scale = torch.exp(self._log_scale(at)).detach()

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
