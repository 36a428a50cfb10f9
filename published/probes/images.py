"""Grey images of a trained run's test split, and bits drawn from them."""

import numpy as np
import torch
from torch import Tensor

from data.sources.vision import mnist
from experiment import Run, load_run
from published.place import Place

RUN = "mnist50_dynamic"


def trained(place: Place) -> Run:
    """Returns the run that the probes look at."""
    return load_run(place.run(RUN), device="cpu", places={"root": place.data_root})


def grey(place: Place, count: int) -> Tensor:
    """Returns the first test images as they are stored, / 255."""
    values = np.asarray(mnist(place.data_root).test.values)[: 20 if place.quick else count]
    return torch.as_tensor(values).float() / 255
