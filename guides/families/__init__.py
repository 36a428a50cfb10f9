"""Posterior families q(z|h): one a file."""

from guides.families.base import Family
from guides.families.coupling import Coupling
from guides.families.flow import FlowFamily
from guides.families.full_covariance import FullCovariance
from guides.families.iaf import IAF
from guides.families.low_rank import LowRank
from guides.families.mean_field import MeanField
from guides.families.planar import PlanarFlow

__all__ = [
    "IAF",
    "Coupling",
    "Family",
    "FlowFamily",
    "FullCovariance",
    "LowRank",
    "MeanField",
    "PlanarFlow",
]
