"""Guides q_φ(z|x), which approximate the posterior p_θ(z|x), as Pyro programs."""

from guides.amortized import Amortized
from guides.bottom_up import BottomUp
from guides.classifying import Classifying
from guides.conditional import ConditionalAmortized
from guides.local import Local

__all__ = ["Amortized", "BottomUp", "Classifying", "ConditionalAmortized", "Local"]
