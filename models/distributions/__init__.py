"""Distributions and transforms that several components share, written for Pyro."""

from models.distributions.autoregressive import (
    ConditionalInvertibleAutoregressive,
    InvertibleAutoregressive,
)
from models.distributions.base import Distribution, Shape
from models.distributions.component import Component
from models.distributions.in_double import InDouble
from models.distributions.laid_out import LaidOut, laid_out
from models.distributions.mixture import SharedMixture, component_log_probs

__all__ = [
    "Component",
    "ConditionalInvertibleAutoregressive",
    "Distribution",
    "InDouble",
    "InvertibleAutoregressive",
    "LaidOut",
    "Shape",
    "SharedMixture",
    "component_log_probs",
    "laid_out",
]
