"""Shapes that type hints state are checked while the tests run."""

import pytest
import torch

from guides.families import MeanField
from models import Generative
from models.likelihoods import Bernoulli
from models.priors import StandardNormal
from networks import MLP


def test_a_tensor_of_another_shape_is_refused():
    """Without the import hook of tests/conftest.py this would pass, and all hints be decoration."""
    with pytest.raises(TypeError, match="h"):
        MeanField(2)(torch.zeros(4))
    with pytest.raises(TypeError, match="scale"):
        Generative(StandardNormal(2), MLP((2,), (3,)), "scale")


def test_a_whole_number_is_a_number():
    """As everywhere in Python: options such as `weight: 1` come from YAML."""
    Bernoulli((3,))(torch.zeros(1, 3))
