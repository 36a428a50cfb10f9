"""The guide q_φ(z|x), which approximates the posterior p_θ(z|x)."""

from guides.amortized import Amortized

__all__ = ["Amortized"]
