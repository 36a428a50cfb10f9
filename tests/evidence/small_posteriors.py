"""A linear joint whose posterior is known, and data of it."""

import torch
from models.tractable import FactorAnalysis


def joint() -> FactorAnalysis:
    """Three latents, of which the last does not reach x."""
    weight = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.5, 1.0, 0.0]])
    return FactorAnalysis(weight, torch.zeros(4), 0.25)


def data(size: int) -> torch.Tensor:
    torch.manual_seed(0)
    return joint().conditional(joint().prior().sample((size,))).sample()
