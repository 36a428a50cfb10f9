"""The one place where a configuration becomes data, model and guide."""

import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import constraints

import models.likelihoods
from data import SPACES, Dataset, open_dataset
from errors import RequestError
from experiment.components import build, locate
from guides.families import Family
from models.likelihoods import Likelihood
from models.priors import Prior
from networks.inputs import LogCounts, Scaled
from networks.mlp import MLP
from networks.start import start_each_output

Config = Mapping[str, Any]
OBSERVATION_OPTIONS = ("space", "binarisation", "limit", "seed", "memory_limit")


def build_data(config: Config, device: torch.device | str = "cpu", trust: bool = False) -> Dataset:
    """The data set that `config` names, in its space.

    Without `data.space` it is the first of the likelihood's spaces that holds the data.
    """
    options = {
        key: value for key, value in config["data"].items() if key not in OBSERVATION_OPTIONS
    }
    raw = build("data", options, trust)
    chosen = {key: config["data"].get(key) for key in OBSERVATION_OPTIONS}
    likelihood = _likelihood_class(config, trust)
    if chosen["space"] is not None and chosen["space"] not in SPACES:
        raise RequestError(f"data.space={chosen['space']}: choose from {', '.join(SPACES)}")
    if chosen["space"] is None:
        chosen["space"] = _space_for(raw, likelihood, config)
    elif chosen["space"] not in likelihood.spaces:
        raise _misfit(config, raw, chosen["space"], likelihood)
    data = open_dataset(raw, _name(config, "data"), device=device, **chosen)
    recipe = locate("model", str(config["model"].get("_target_", "")), trust)
    return data.with_labels() if getattr(recipe, "given_labels", False) else data


def build_pair(config: Config, data: Dataset, trust: bool = False) -> tuple[nn.Module, nn.Module]:
    """Model and guide for `data`, with weights drawn from torch's generator, on the CPU."""
    return build("model", config["model"], trust, parts=Parts(config, data, trust))


class Parts:
    """Makes the components that a configuration names, to be wired together by a model's recipe."""

    def __init__(self, config: Config, data: Dataset, trust: bool = False) -> None:
        self.config, self.data, self.trust = config, data, trust
        self.latent_dim = int(config["latent_dim"])

    def prior(self, latent_dim: int, **context: Any) -> Prior:
        """p(z) over `latent_dim` dimensions; `context` is what the recipe can offer beyond that (see Vamp)."""
        given = {"latent_dim": latent_dim} | context
        self._need("prior", given)
        return build("prior", self.config["prior"], self.trust, **given)

    def _need(self, axis: str, given: Mapping[str, Any]) -> None:
        target = locate(axis, str(self.config[axis].get("_target_", "")), self.trust)
        for name, parameter in inspect.signature(target).parameters.items():
            if (
                parameter.default is inspect.Parameter.empty
                and name not in given
                and name not in self.config[axis]
            ):
                raise RequestError(
                    f"{axis}={_name(self.config, axis)}: needs `{name}`, which model={_name(self.config, 'model')} has not; "
                    f"choose another {axis} or model=vae"
                )

    def examples(self, count: int) -> Tensor:
        """`count` different training data, (count, *shape), on the CPU."""
        if count > len(self.data.train):
            raise RequestError(
                f"prior.components={count}: there are only {len(self.data.train)} training examples to start from"
            )
        batch = self.data.train[
            torch.randperm(len(self.data.train))[:count].to(self.data.train.device)
        ]
        return (batch[0] if isinstance(batch, tuple) else batch).cpu()

    @property
    def domain(self) -> constraints.Constraint:
        """The set that one dimension of the data lies in."""
        levels = self.data.levels or 256
        return {
            "binary": constraints.unit_interval,
            "unit": constraints.unit_interval,
            "bytes": constraints.interval(0.0, float(levels - 1)),
            "counts": constraints.greater_than(0.0),
        }.get(self.data.space.name, constraints.real)

    def likelihood(self) -> Likelihood:
        """p(x|h) on the data's shape and space."""
        data = self.data
        return build(
            "likelihood",
            self.config["likelihood"],
            self.trust,
            shape=data.shape,
            levels=data.levels,
            quantum=data.quantum,
        )

    def family(self, latent_dim: int) -> Family:
        """q(z|h) over `latent_dim` dimensions."""
        return build("guide", self.config["guide"], self.trust, latent_dim=latent_dim)

    def encoder(self, *out_shape: int) -> nn.Module:
        """A network from one datum to `out_shape`; grey levels and counts reach it in units near 1."""
        network = self.network(self.data.shape, out_shape)
        start_each_output(network)
        if self.data.space.name == "bytes":
            return Scaled(network, unit=(self.data.levels or 256) - 1)
        return LogCounts(network) if self.data.space.name == "counts" else network

    def decoder(self, inputs: int, likelihood: Likelihood) -> nn.Module:
        """A network from `inputs` numbers (z) to the likelihood's parameters, whose output starts at the data mean."""
        network = self.network((inputs,), likelihood.parameter_shape)
        network.start_at(likelihood.start(self.data.mean.cpu()))
        return network

    def network(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Any:
        """A network between the two shapes, of which one is the data's."""
        return build(
            "network", self.config["network"], self.trust, in_shape=in_shape, out_shape=out_shape
        )

    def perceptron(self, inputs: int, outputs: int, width: int = 200, layers: int = 1) -> MLP:
        """A small network between vectors, where the chosen one may be for images only."""
        network = MLP((inputs,), (outputs,), width, layers)
        start_each_output(network)
        return network

    def require(self, axis: str, accept: Callable[[Any], bool], reason: str) -> None:
        """Refuse the choice on `axis` unless its class or function satisfies `accept`, giving `reason`."""
        if not accept(locate(axis, str(self.config[axis].get("_target_", "")), self.trust)):
            model = _name(self.config, "model")
            raise RequestError(
                f"{axis}={_name(self.config, axis)} cannot be used with model={model}: {reason}"
            )


def _name(config: Config, axis: str) -> str:
    return str(config.get("choices", {}).get(axis, config[axis].get("_target_", axis)))


def _likelihood_class(config: Config, trust: bool) -> type[Likelihood]:
    found = locate("likelihood", str(config["likelihood"].get("_target_", "")), trust)
    if not (isinstance(found, type) and issubclass(found, Likelihood)):
        raise RequestError(f"likelihood: {found} is not a Likelihood")
    return found


def _space_for(raw: Any, likelihood: type[Likelihood], config: Config) -> str:
    if raw.levels is not None:
        return likelihood.spaces[0]
    values = [
        torch.tensor(np.array(getattr(raw, part).values[:1000]))
        for part in ("train", "valid", "test")
    ]
    fits = [
        name for name, space in SPACES.items() if all(bool(space.contains(v).all()) for v in values)
    ]
    for space in likelihood.spaces:
        if space in fits:
            return space
    raise _misfit(config, raw, " or ".join(fits) or "none", likelihood, fits)


def _misfit(
    config: Config,
    raw: Any,
    space: str,
    likelihood: type[Likelihood],
    fits: list[str] | None = None,
) -> RequestError:
    why = likelihood.misfit(space, math.prod(raw.train.values.shape[1:]))
    others = sorted(name for s in (fits or [space]) for name in likelihoods_on(s))
    return RequestError(
        f"likelihood={_name(config, 'likelihood')} is a distribution on {', '.join(likelihood.spaces)}, but "
        f"data={_name(config, 'data')} is in the space {space}; "
        + (f"{why}; " if why else "")
        + f"likelihoods on it: {', '.join(dict.fromkeys(others))}"
    )


def likelihoods_on(space: str) -> list[str]:
    """The names of the likelihoods that are distributions on `space`."""
    return [name for name, likelihood in all_likelihoods().items() if space in likelihood.spaces]


def all_likelihoods() -> dict[str, type[Likelihood]]:
    """Every likelihood of the project, by the name of its file."""
    found = {}
    for module in pkgutil.iter_modules(models.likelihoods.__path__):
        path = f"models.likelihoods.{module.name}"
        for value in vars(importlib.import_module(path)).values():
            is_likelihood = (
                isinstance(value, type)
                and issubclass(value, Likelihood)
                and not inspect.isabstract(value)
            )
            if is_likelihood and value.__module__ == path:
                found[module.name] = value
    return found
