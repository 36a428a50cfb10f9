"""The exact log p(x), where there is a way to have it."""

import torch

from evidence.estimate import Estimate
from evidence.quadrature import quadrature
from evidence.weights import Batch, Program, as_batch
from models.tractable import Tractable, as_factor_analysis


@torch.no_grad()
def exact(model: Program, guide: Program, x: Batch, tolerance: float = 1e-3) -> Estimate | None:
    """log p(x) for every datum: in closed form for tractable joints and for what is a factor analysis in disguise, by
    quadrature for latents of one or two dimensions; None for other models.

    `details["method"]` says which; quadrature adds its measured `error` in nats (see `evidence.quadrature`).
    """
    joint = model if isinstance(model, Tractable) else as_factor_analysis(model)
    if joint is not None:
        return Estimate(joint.log_prob(as_batch(x)[0]), "exact", details={"method": "closed form"})
    return quadrature(model, guide, x, tolerance)
