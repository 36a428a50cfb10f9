"""The generative model p(z) p_θ(x|z)."""

from models.generative import Generative

__all__ = ["Generative"]
