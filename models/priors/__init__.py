"""Priors p(z): one family a file."""

from models.priors.base import Prior
from models.priors.flow import Flow
from models.priors.laplace import Laplace
from models.priors.learned_normal import LearnedNormal
from models.priors.mixture import Mixture
from models.priors.standard_normal import StandardNormal
from models.priors.student_t import StudentT
from models.priors.vamp import Vamp

__all__ = [
    "Flow",
    "Laplace",
    "LearnedNormal",
    "Mixture",
    "Prior",
    "StandardNormal",
    "StudentT",
    "Vamp",
]
