"""The one place where a request becomes data, model and guide."""

import inspect
import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import constraints

from data import Dataset, View, open_dataset
from data.labels import NoLabels
from data.raw import RawData, as_stored, blocks
from data.spaces import spaces_of
from errors import RequestError
from experiment import choices
from experiment.components import Trust, build, locate, refusing
from experiment.recipes.base import Pair, Recipe
from experiment.request import Choice, Request
from guides.families import Family
from inference.objectives.base import Objective
from models.likelihoods import Likelihood
from models.priors.base import Prior
from networks.base import Network
from networks.inputs import LogCounts, Rescaled, Scaled, Standardized
from networks.mlp import MLP
from networks.start import start_each_output

# The options of `data` that are no source's own.
VIEW_OPTIONS = frozenset(field.name for field in fields(View))


def build_data(
    request: Request, device: torch.device | str = "cpu", trust: Trust = False
) -> Dataset:
    """Returns the data set that `request` names, in its space, on `device`.

    Without `data.space` it is put into the first of the likelihood's spaces that holds the data.

    Raises:
        RequestError: the data are not there or not as they should be, or do not fit the likelihood.
    """
    options = request.data.options
    source = {name: value for name, value in options.items() if name not in VIEW_OPTIONS}
    # A source may ask for the limit of memory, too: what is streamed is split in another way.
    limit = options.get("memory_limit")
    raw: RawData = build("data", replace(request.data, options=source), trust, memory_limit=limit)
    likelihood = likelihood_class(request, trust)
    space = options.get("space")
    if space is not None and space not in likelihood.spaces:
        raise _misfit(request, raw, str(space), likelihood)
    chosen: dict[str, Any] = {name: options[name] for name in VIEW_OPTIONS & set(options)}
    chosen["space"] = space or _space_for(request, raw, likelihood)
    with refusing("data", VIEW_OPTIONS):
        data = open_dataset(raw, request.data.name, View(**chosen), device)
    recipe: Recipe = build("model", request.model, trust)
    try:
        with refusing("model", request.model.options):
            return recipe.prepared(data)
    except NoLabels as error:
        raise RequestError(f"model={request.model.name}: {error}") from error


def build_pair(request: Request, data: Dataset, trust: Trust = False) -> Pair:
    """Returns model and guide for `data`, with weights drawn from torch's generator, on the CPU."""
    recipe: Recipe = build("model", request.model, trust)
    return recipe.pair(Parts(request, data, trust))


def build_objective(request: Request, trust: Trust = False) -> Objective:
    """Returns the objective of `request`."""
    objective: Objective = build("objective", request.objective, trust)
    return objective


class Parts:
    """Makes the components of a request, to be wired together by a recipe."""

    def __init__(self, request: Request, data: Dataset, trust: Trust = False) -> None:
        self.request, self.data, self.trust = request, data, trust
        self.latent_dim = request.latent_dim

    def _build(self, axis: str, **context: object) -> Any:
        return build(axis, self.request.choice(axis), self.trust, **context)

    def prior(self, latent_dim: int, **context: object) -> Prior:
        """Returns p(z) over `latent_dim` dimensions; `context` is what else the recipe offers."""
        given = {"latent_dim": latent_dim} | context
        choice = self.request.prior
        parameters = inspect.signature(locate("prior", choice, self.trust)).parameters
        for name, parameter in parameters.items():
            needed = parameter.default is inspect.Parameter.empty
            if needed and name not in given and name not in choice.options:
                raise RequestError(
                    f"prior={choice.name}: needs `{name}`, which model={self.request.model.name} "
                    "has not; choose another prior or model=vae"
                )
        prior: Prior = self._build("prior", **given)
        return prior

    def examples(self, count: int) -> Tensor:
        """Returns `count` different training data, (count, *shape), on the CPU."""
        train = self.data.train
        if count > len(train):
            raise RequestError(
                f"prior.components={count}: there are only {len(train)} training examples to "
                "start from"
            )
        return train.batch(torch.randperm(len(train))[:count].to(train.device)).x.cpu()

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
        """Returns p(x|h) on the data's shape and space."""
        data = self.data
        likelihood: Likelihood = self._build(
            "likelihood", shape=data.shape, levels=data.levels, quantum=data.quantum
        )
        if data.units is not None:
            likelihood.in_units(data.units.sd)
        return likelihood

    def family(self, latent_dim: int) -> Family:
        """Returns q(z|h) over `latent_dim` dimensions."""
        family: Family = self._build("guide", latent_dim=latent_dim)
        return family

    def encoder(self, *out_shape: int) -> nn.Module:
        """Returns a network from one datum to `out_shape`, which sees the data in units near 1."""
        network = self.network(self.data.shape, out_shape)
        start_each_output(network)
        if self.data.units is not None:
            return Standardized(network, self.data.units.mean, self.data.units.sd)
        if self.data.space.name == "bytes":
            return Scaled(network, unit=(self.data.levels or 256) - 1)
        return LogCounts(network) if self.data.space.name == "counts" else network

    def decoder(self, inputs: int, likelihood: Likelihood) -> Network:
        """Returns a network from `inputs` numbers to the likelihood's parameters.

        Where training starts, it puts the mean of the likelihood at the mean of the data.
        """
        network = self.network((inputs,), likelihood.parameter_shape)
        if self.data.units is not None and likelihood.has_location:
            network = Rescaled(network, self.data.units.mean, self.data.units.sd)
        network.start_at(likelihood.start(self.data.mean.cpu()))
        return network

    def network(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Network:
        """Returns a network between the two shapes, of which one is the data's."""
        network: Network = self._build("network", in_shape=in_shape, out_shape=out_shape)
        return network

    def perceptron(self, inputs: int, outputs: int, width: int = 200, layers: int = 1) -> MLP:
        """Returns a small network between vectors, where the chosen one may be for images only."""
        network = MLP((inputs,), (outputs,), width, layers)
        start_each_output(network)
        return network

    def require(self, axis: str, classes: tuple[type, ...], reason: str) -> None:
        """Raises RequestError unless the choice on `axis` is one of `classes`."""
        self._accept(axis, lambda found: issubclass(found, classes), reason)

    def refuse_one_latent_objective(self, reason: str) -> None:
        """Raises RequestError if the objective is right for a single latent site only."""
        self._accept("objective", lambda found: not found.one_latent_only, reason)

    def _accept(self, axis: str, accept: Callable[[Any], bool], reason: str) -> None:
        choice = self.request.choice(axis)
        found = locate(axis, choice, self.trust)
        if not (inspect.isclass(found) and accept(found)):
            model = self.request.model.name
            raise RequestError(f"{axis}={choice.name} cannot be used with model={model}: {reason}")


def likelihood_class(request: Request, trust: Trust) -> type[Likelihood]:
    """Returns the class of the likelihood.

    Raises:
        RequestError: the choice is no likelihood.
    """
    found = locate("likelihood", request.likelihood, trust)
    if not (inspect.isclass(found) and issubclass(found, Likelihood)):
        raise RequestError(f"likelihood: {found} is not a Likelihood")
    return found


def _space_for(request: Request, raw: RawData, likelihood: type[Likelihood]) -> str:
    """Returns the first of the likelihood's spaces that holds the data."""
    if raw.levels is not None:
        return likelihood.spaces[0]
    fits = spaces_of(
        torch.from_numpy(as_stored(values))
        for split in raw.splits.values()
        for _, values in blocks(np.asanyarray(split.values))
    )
    for space in likelihood.spaces:
        if space in fits:
            return space
    raise _misfit(request, raw, " or ".join(fits) or "none", likelihood, fits)


def _misfit(
    request: Request,
    raw: RawData,
    space: str,
    likelihood: type[Likelihood],
    fits: list[str] | None = None,
) -> RequestError:
    """Returns the refusal of data outside of the likelihood's spaces; it names those that fit."""
    why = likelihood.misfit(space, math.prod(raw.train.values.shape[1:]))
    others = sorted(name for s in (fits or [space]) for name in likelihoods_on(s))
    return RequestError(
        f"likelihood={request.likelihood.name} is a distribution on "
        f"{', '.join(likelihood.spaces)}, but data={request.data.name} is in the space {space}; "
        + (f"{why}; " if why else "")
        + f"likelihoods on it: {', '.join(dict.fromkeys(others))}"
    )


def likelihoods_on(space: str) -> list[str]:
    """Returns the names of the likelihoods that are distributions on `space`."""
    return [name for name, found in all_likelihoods().items() if space in found.spaces]


def all_likelihoods() -> dict[str, type[Likelihood]]:
    """Returns every likelihood of the project by the name of its choice."""
    names = choices.names("likelihood")
    found: dict[str, Any] = {name: locate("likelihood", Choice(name, {})) for name in names}
    return found
