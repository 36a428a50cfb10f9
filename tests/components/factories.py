"""Small instances of every component. One that is added here inherits every contract test.

The tables map the name of a YAML file to the options that the component is tested with; each entry
is a mapping that is laid over the options in the YAML.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import scipy.stats

from data import Dataset, View, open_dataset
from data.raw import RawData, RawSplit
from experiment import choices
from experiment.components import build
from experiment.recipes.base import Recipe
from experiment.request import Choice, Request
from inference.plan import Train

CONFIGS = choices.CONFIGS
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


def softplus(value: Any) -> Any:
    return np.logaddexp(0, value)


def located(family: Any) -> Any:
    """Returns the reference of a location-scale likelihood, of which SciPy has the standard one."""

    def log_density(module: Any, h: Any, x: Any) -> Any:
        state = {key: value.detach().numpy() for key, value in module.state_dict().items()}
        if "fixed_scale" in state:
            loc, scale = h, state["fixed_scale"]
        else:  # a quantum and a softplus, of a parameter or of the decoder's second output
            loc, raw = (h, state["raw_scale"]) if "raw_scale" in state else (h[:, 0], h[:, 1])
            scale = 1 / LEVELS + softplus(raw)
        return family.logpdf((x - loc) / scale) - np.log(scale)

    return log_density


def beta(module: Any, h: Any, x: Any) -> Any:
    mean, concentration = scipy.special.expit(h[:, 0]), softplus(h[:, 1])
    return scipy.stats.beta.logpdf(x, mean * concentration, (1 - mean) * concentration)


def discretized_logistic(module: Any, h: Any, x: Any) -> Any:
    logistic = scipy.stats.logistic((LEVELS - 1) * h[:, 0], (LEVELS - 1) * softplus(h[:, 1]))
    above = np.where(x == LEVELS - 1, 1, logistic.cdf(x + 0.5))
    return np.log(above - np.where(x == 0, 0, logistic.cdf(x - 0.5)))


def categorical(module: Any, h: Any, x: Any) -> Any:
    return np.take_along_axis(scipy.special.log_softmax(h, 1), x[:, None].astype(int), 1)[:, 0]


def negative_binomial(module: Any, h: Any, x: Any) -> Any:
    r = softplus(module.raw_dispersion.detach().numpy())
    return scipy.stats.nbinom.logpmf(x, r, r / (r + softplus(h)))


# log p(x|h) of every likelihood per dimension, by SciPy, from a module in float64 and numpy arrays.
REFERENCES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "bernoulli": lambda module, h, x: scipy.stats.bernoulli.logpmf(x, scipy.special.expit(h)),
    "continuous_bernoulli": lambda module, h, x: (
        h * x + np.log(h / np.expm1(h))
    ),  # an exponential cut off at 1
    "beta": beta,
    "gaussian": located(scipy.stats.norm),
    "laplace": located(scipy.stats.laplace),
    "student_t": located(scipy.stats.t(4)),
    "discretized_logistic": discretized_logistic,
    "categorical": categorical,
    "poisson": lambda module, h, x: scipy.stats.poisson.logpmf(x, softplus(h)),
    "negative_binomial": negative_binomial,
}

PRIORS: dict[str, list[dict[str, Any]]] = {
    "standard_normal": [{}],
    "learned_normal": [{}],
    "laplace": [{}],
    "student_t": [{}],
    "mixture": [{"components": 3}],
    "vamp": [{"components": 3}],
    "flow": [
        {"kind": k, "width": 8}
        for k in ("affine_coupling", "spline_coupling", "inverse_autoregressive")
    ],
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
MODELS: dict[str, list[dict[str, Any]]] = {
    "vae": [{}],
    "hierarchical": [{}],
    "gmvae": [{}],
    "conditional": [{}],
    "semi_supervised": [{"labels": 6}],
}
ALL = {
    "likelihood": LIKELIHOODS,
    "prior": PRIORS,
    "guide": GUIDES,
    "network": NETWORKS,
    "objective": OBJECTIVES,
    "model": MODELS,
}


def cases(axis: str) -> list[Any]:
    """Returns (name, options) for pytest.mark.parametrize, each with a readable id."""
    import pytest

    return [
        pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
        for name, several in ALL[axis].items()
        for options in several
    ]


def choice(axis: str, name: str, options: dict[str, Any] | None = None) -> Choice:
    """The choice as its YAML has it, with `options` over it."""
    return Choice(name, choices.defaults(axis, name) | (options or {}))


def make(axis: str, name: str, options: dict[str, Any] | None = None, **context: Any) -> Any:
    return build(axis, choice(axis, name, options), **context)


def likelihood(name: str, options: dict[str, Any], shape: tuple[int, ...] = SHAPE) -> Any:
    return make("likelihood", name, options, shape=shape, levels=LEVELS, quantum=1 / LEVELS)


def dataset(space: str, examples: int = 12, shape: tuple[int, ...] = SHAPE) -> Dataset:
    values = np.random.default_rng(0).integers(0, LEVELS, (examples, *shape)).astype(np.uint8)
    labels = np.arange(examples) % 3
    split = RawSplit(values, labels)
    return open_dataset(RawData(split, split, split, LEVELS), "tiny", View(space))


def prepared(data: Dataset, name: str, options: dict[str, Any] | None = None) -> Dataset:
    """Returns the data as the programs of the model `name` are called with them."""
    recipe: Recipe = make("model", name, MODELS[name][0] | (options or {}))
    return recipe.prepared(data)


def config(**chosen: Any) -> Request:
    """The request of a run on `dataset`: axis=name, or axis=(name, options)."""
    defaults = {"data": "digits", "model": "vae", "prior": "standard_normal", "guide": "mean_field"}
    defaults |= {"likelihood": "bernoulli", "objective": "elbo"}
    given = defaults | {"network": ("mlp", {"width": 8, "layers": 1})} | chosen
    named = {
        axis: value if isinstance(value, tuple) else (value, {}) for axis, value in given.items()
    }
    model, options = named["model"]
    named["model"] = (model, MODELS[model][0] | options)
    return Request(**{axis: choice(axis, *value) for axis, value in named.items()}, train=Train())
