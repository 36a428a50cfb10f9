"""Probabilistic PCA on thousands of MNIST images, and the formula with N − 1 in its covariance."""

import numpy as np
import torch
from jaxtyping import Float64

from benchmarks.linear_vae import unbiased_formula
from data.sources.vision import mnist
from models.joints import probabilistic_pca
from published.place import Place

FACTORS, IMAGES, THOUSANDS = 200, 1000, 20


def likelihoods(place: Place) -> Float64[np.ndarray, " thousands 2"]:
    """Returns the maximum and what the formula reads, nats per datum, for each random thousand."""
    values = np.asarray(mnist(place.data_root).train.values)
    count = min(IMAGES, len(values) // 2)
    generator = np.random.default_rng(0)
    found = []
    for _ in range(2 if place.quick else THOUSANDS):
        rows = generator.choice(len(values), count, replace=False)
        x = torch.as_tensor(values[rows]).double().flatten(1) / 255
        found.append((probabilistic_pca(x, FACTORS)[1], unbiased_formula(x, FACTORS)))
    return np.array(found)
