"""Small instances of every registered component: a new one is added here, and inherits every contract test.

Name of the YAML file -> options to test it with, each a mapping over those in the YAML.
"""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from data import Dataset, open_dataset
from data.raw import RawData, RawSplit
from inference.components import build

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SHAPE, LEVELS = (2,), 5

LIKELIHOODS: dict[str, list[dict[str, Any]]] = {
    "bernoulli": [{}],
    "continuous_bernoulli": [{}],
    "beta": [{}],
    "gaussian": [{}, *({"scale": s} for s in ("learned", "per_dimension", "predicted", "optimal"))],
    "laplace": [{}, {"scale": 0.3}, {"scale": "per_dimension"}, {"scale": "predicted"}],
    "student_t": [{}, {"scale": 0.3}, {"scale": "predicted"}],
    "discretized_logistic": [{}],
    "categorical": [{}],
    "poisson": [{}],
    "negative_binomial": [{}],
}
PRIORS: dict[str, list[dict[str, Any]]] = {
    "standard_normal": [{}],
    "learned_normal": [{}],
    "laplace": [{}],
    "student_t": [{}],
    "mixture": [{"components": 3}],
    "vamp": [{"components": 3}],
    "flow": [{"kind": k, "width": 8} for k in ("affine_coupling", "spline_coupling", "inverse_autoregressive")],
}
GUIDES: dict[str, list[dict[str, Any]]] = {
    "mean_field": [{}],
    "full_covariance": [{}],
    "low_rank": [{}, {"rank": 2}],
    "iaf": [{"width": 8, "context": 6}],
    "planar": [{}],
    "coupling": [{"width": 8, "context": 6}],
}
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "mlp": [{"width": 8}, {"layers": 0}],
    "gated_mlp": [{"width": 8}],
    "conv": [{"width": 4}],
    "resnet": [{"width": 4, "blocks": 1}],
}
OBJECTIVES: dict[str, list[dict[str, Any]]] = {
    "elbo": [{}],
    "analytic_kl": [{}],
    "beta": [{}, {"weight": 0.5, "warmup_epochs": 3}, {"cycles": 2}],
    "free_bits": [{}],
    "iwae": [{}],
    "renyi": [{}],
    "stl": [{}],
    "dreg": [{}],
}
MODELS: dict[str, list[dict[str, Any]]] = {"vae": [{}], "hierarchical": [{}], "gmvae": [{}], "conditional": [{}]}
ALL = {
    "likelihood": LIKELIHOODS,
    "prior": PRIORS,
    "guide": GUIDES,
    "network": NETWORKS,
    "objective": OBJECTIVES,
    "model": MODELS,
}


def cases(axis: str) -> list[Any]:
    """(name, options) for pytest.mark.parametrize, each with a readable id."""
    import pytest

    return [
        pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
        for name, several in ALL[axis].items()
        for options in several
    ]


def node(axis: str, name: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the YAML says, with `options` over it."""
    values = yaml.safe_load((CONFIGS / axis / f"{name}.yaml").read_text())
    return values.get(axis, values) | (options or {})


def make(axis: str, name: str, options: dict[str, Any] | None = None, **context: Any) -> Any:
    return build(axis, node(axis, name, options), **context)


def likelihood(name: str, options: dict[str, Any], shape: tuple[int, ...] = SHAPE) -> Any:
    return make("likelihood", name, options, shape=shape, levels=LEVELS, quantum=1 / LEVELS)


def dataset(space: str, examples: int = 12, shape: tuple[int, ...] = SHAPE) -> Dataset:
    values = np.random.default_rng(0).integers(0, LEVELS, (examples, *shape)).astype(np.uint8)
    labels = np.arange(examples) % 3
    split = RawSplit(values, labels)
    return open_dataset(RawData(split, split, split, LEVELS), "tiny", space)


def config(**choices: Any) -> dict[str, Any]:
    """A configuration of a run on `dataset`: axis=name, or axis=(name, options)."""
    default = {"model": "vae", "prior": "standard_normal", "likelihood": "bernoulli", "guide": "mean_field"}
    chosen = default | {"network": ("mlp", {"width": 8, "layers": 1}), "objective": "elbo"} | choices
    pairs = {axis: value if isinstance(value, tuple) else (value, {}) for axis, value in chosen.items()}
    nodes: dict[str, Any] = {axis: node(axis, name, options) for axis, (name, options) in pairs.items()}
    return nodes | {"choices": {axis: name for axis, (name, _) in pairs.items()}, "latent_dim": 2}
