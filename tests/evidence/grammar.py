"""Pairs of Pyro programs drawn at random, each with log p(x) and its densities by SciPy.

A pair has one to three latent sites in a chain, of several supports and event shapes, one observed
site, and what people write around them: a context before or after the datum, a subsampled plate, a
scale, a mask of the observation or of whole data, deterministic sites.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import scipy.special
import scipy.stats
import torch
from hypothesis import strategies as st
from numpy import ndarray
from pyro import poutine
from torch import Tensor, nn

ROWS, WEIGHTS = 4, np.array([1.0, -0.6])


def spread(value: Any, shape: tuple[int, ...]) -> Any:
    """(rows,) to (rows, *shape), of tensors and of arrays."""
    value = value.reshape(-1, *[1] * len(shape))
    if isinstance(value, Tensor):
        return value.expand(-1, *shape)
    return np.broadcast_to(value, (len(value), *shape))


@dataclass(frozen=True)
class Family:
    """A family whose parameters are functions of the context and of the latents before it.

    `make` is the law in torch, and `law` that in SciPy, of (mean, spread, shape); `feature` is what
    later sites see of a value, on the whole line.
    """

    make: Any
    law: Any
    feature: Any


def beta_parameters(m: Any) -> Any:
    return 1.5 + 1.0 / (1.0 + (torch.exp(-m) if isinstance(m, Tensor) else np.exp(-m)))


FAMILIES = {
    "normal": Family(
        lambda m, s, shape: dist.Normal(spread(m, shape), s),
        lambda m, s, shape: scipy.stats.norm(spread(m, shape), s),
        lambda z: z,
    ),
    "student": Family(
        lambda m, s, shape: dist.StudentT(6.0, spread(m, shape), s),
        lambda m, s, shape: scipy.stats.t(6.0, spread(m, shape), s),
        lambda z: z,
    ),
    "gamma": Family(
        lambda m, s, shape: dist.Gamma(2 / s**2, spread(torch.exp(-0.5 * m), shape)),
        lambda m, s, shape: scipy.stats.gamma(2 / s**2, scale=spread(np.exp(0.5 * m), shape)),
        lambda z: np.log(z) if isinstance(z, ndarray) else z.log(),
    ),
    "lognormal": Family(
        lambda m, s, shape: dist.LogNormal(spread(0.5 * m, shape), s),
        lambda m, s, shape: scipy.stats.lognorm(s, scale=spread(np.exp(0.5 * m), shape)),
        lambda z: np.log(z) if isinstance(z, ndarray) else z.log(),
    ),
    "beta": Family(
        lambda m, s, shape: dist.Beta(spread(beta_parameters(m), shape), 2 / s),
        lambda m, s, shape: scipy.stats.beta(spread(beta_parameters(m), shape), 2 / s),
        lambda z: 4 * z - 2,
    ),
    # The guide's mean is not this one's: a proposal has to reach all of the support.
    "uniform": Family(
        lambda m, s, shape: dist.Uniform(spread(0 * m - 1.5, shape), 1.0),
        lambda m, s, shape: scipy.stats.uniform(spread(0 * m - 1.5, shape), 2.5),
        lambda z: z,
    ),
}


@dataclass(frozen=True)
class Pair:
    """What was drawn; `model` and `guide` are its programs, and all else is NumPy's and SciPy's."""

    sites: tuple[tuple[str, tuple[int, ...]], ...]
    likelihood: str
    width: int | None
    context: str | None
    plate: str
    scale: float | None
    mask: str | None
    notes: bool

    @property
    def model(self) -> nn.Module:
        return Program(self, guide=False)

    @property
    def guide(self) -> nn.Module:
        return Program(self, guide=True)

    @property
    def dimensions(self) -> int:
        return sum(int(np.prod(shape)) for _, shape in self.sites)

    def columns(self) -> tuple[Tensor, ...]:
        """The data, and the context before or after it."""
        noise = np.random.default_rng(0)
        shape = (ROWS,) if self.width is None else (ROWS, self.width)
        x = {
            "normal": 1.5 * noise.normal(size=shape),
            "poisson": noise.integers(0, 5, shape).astype(float),
            "bernoulli": noise.integers(0, 2, shape).astype(float),
        }[self.likelihood]
        context = torch.tensor(noise.normal(size=ROWS))
        return self.placed(torch.tensor(x), context)

    def placed(self, x: Tensor, context: Tensor) -> tuple[Tensor, ...]:
        return {None: (x,), "before": (context, x), "after": (x, context)}[self.context]

    def split(self, columns: Any) -> tuple[Any, Any]:
        """x and the context, which is 0 if there is none."""
        x = columns[1] if self.context == "before" else columns[0]
        context = columns[{"before": 0, "after": 1}[self.context]] if self.context else None
        return x, 0.0 * x.reshape(len(x), -1)[:, 0] if context is None else context

    # The references.

    def mean_and_spread(
        self, number: int, guide: bool, x: Any, context: Any, before: Any
    ) -> tuple[Any, float]:
        """Mean and spread of a site: of p(z|context), or of q(z|x)."""
        tilt = 0.3 * x.reshape(len(x), -1)[:, 0] / (1 + abs(x.reshape(len(x), -1)[:, 0]))
        mean = 0.3 * context + 0.5 * before + (tilt if guide else 0.0)
        return mean, (0.9 if guide else 0.8) - 0.1 * number

    def feature(self, number: int, value: Any) -> Any:
        """What later sites see of the values of a site, (rows,)."""
        return FAMILIES[self.sites[number][0]].feature(value).reshape(len(value), -1).sum(-1)

    def seen(self, values: list[Any], context: Any) -> Any:
        """What the observed site sees of all latents, (rows,)."""
        parts = ((0.9 - 0.3 * n) * self.feature(n, value) for n, value in enumerate(values))
        return sum(parts) + 0.4 * context

    def log_prior(
        self, values: list[ndarray], x: ndarray, context: ndarray, guide: bool
    ) -> ndarray:
        """log p(z), or log q(z|x), of rows of values."""
        total, before = np.zeros(len(x)), np.zeros(len(x))
        for number, (family, shape) in enumerate(self.sites):
            law = FAMILIES[family].law(
                *self.mean_and_spread(number, guide, x, context, before), shape
            )
            total += law.logpdf(values[number]).reshape(len(x), -1).sum(-1)
            before = before + self.feature(number, values[number])
        return total * self.kept(x) if self.mask == "datum" else total

    def log_likelihood(self, values: list[ndarray], x: ndarray, context: ndarray) -> ndarray:
        loc = self.seen(values, context)[:, None] * WEIGHTS[: self.width or 1]
        x2 = x.reshape(len(x), -1)
        terms = {
            "normal": lambda: scipy.stats.norm.logpdf(x2, loc, 0.7),
            "poisson": lambda: scipy.stats.poisson.logpmf(x2, np.logaddexp(0, loc)),
            "bernoulli": lambda: scipy.stats.bernoulli.logpmf(x2, scipy.special.expit(loc)),
        }[self.likelihood]()
        return terms.sum(-1) * (1.0 if self.mask is None else self.kept(x))

    def kept(self, x: Any) -> Any:
        """Data whose first number is no more than ½ are masked, if any are."""
        return x.reshape(len(x), -1)[:, 0] > 0.5

    def brute_force(self, columns: tuple[Tensor, ...], nodes: int) -> ndarray:
        """log ∫ p(x|z) p(z) dz: z = F⁻¹(u), u on Gauss and Legendre's nodes in every dimension."""
        u, w = np.polynomial.legendre.leggauss(nodes)
        cube = np.stack(np.meshgrid(*[(u + 1) / 2] * self.dimensions, indexing="ij"), -1)
        weight = np.stack(np.meshgrid(*[w / 2] * self.dimensions, indexing="ij"), -1)
        cube, log_weight = cube.reshape(-1, self.dimensions), np.log(weight).sum(-1).reshape(-1)
        found = []
        for x, context in zip(*(np.asarray(c) for c in self.split(columns)), strict=True):
            rows, given = np.repeat(x[None], len(cube), 0), np.full(len(cube), context)
            values, before, at = [], np.zeros(len(cube)), 0
            for number, (family, shape) in enumerate(self.sites):
                size = int(np.prod(shape))
                law = FAMILIES[family].law(
                    *self.mean_and_spread(number, False, rows, given, before), shape
                )
                values.append(law.ppf(cube[:, at : at + size].reshape(-1, *shape)))
                before, at = before + self.feature(number, values[-1]), at + size
            terms = self.log_likelihood(values, rows, given) + log_weight
            found.append(scipy.special.logsumexp(terms))
        return np.array(found)


class Program(nn.Module):
    """p(x, z), or q(z|x), of a pair."""

    def __init__(self, pair: Pair, guide: bool) -> None:
        super().__init__()
        self.pair, self.guide = pair, guide
        self.shift = nn.Parameter(torch.zeros(()))  # what is trained of it

    def forward(self, *columns: Tensor) -> None:
        pair, (x, context) = self.pair, self.pair.split(columns)
        with ExitStack() as inside:
            if pair.scale is not None:
                inside.enter_context(poutine.scale(scale=pair.scale))
            if pair.plate == "subsampled":
                whole = 3 * len(x)
                inside.enter_context(pyro.plate("rows", whole, subsample_size=len(x)))
            else:
                inside.enter_context(pyro.plate("data", len(x)))
            if pair.mask == "datum":
                inside.enter_context(poutine.mask(mask=pair.kept(x)))
            values: list[Tensor] = []
            before = self.shift.expand(len(x))
            for number, (family, shape) in enumerate(pair.sites):
                mean, scale = pair.mean_and_spread(number, self.guide, x, context, before)
                law = FAMILIES[family].make(mean, scale, shape).to_event(len(shape))
                values.append(pyro.sample(f"z{number}", law))
                before = before + pair.feature(number, values[-1])
            if pair.notes:
                pyro.deterministic("sum", before)
            if not self.guide:
                self.observe(values, x, context)

    def observe(self, values: list[Tensor], x: Tensor, context: Tensor) -> None:
        pair = self.pair
        width = () if pair.width is None else (pair.width,)
        loc = spread(pair.seen(values, context) + self.shift, width) * torch.tensor(
            WEIGHTS[: pair.width or 1]
        ).reshape(width)
        law = {
            "normal": lambda: dist.Normal(loc, 0.7),
            "poisson": lambda: dist.Poisson(nn.functional.softplus(loc)),
            "bernoulli": lambda: dist.Bernoulli(logits=loc),
        }[pair.likelihood]()
        with ExitStack() as inside:
            if pair.mask == "observed":
                inside.enter_context(poutine.mask(mask=pair.kept(x)))
            pyro.sample("x", law.to_event(len(width)), obs=x)


def sites(most: int) -> Any:
    """One to three sites, of `most` dimensions together."""
    one = st.tuples(st.sampled_from(sorted(FAMILIES)), st.sampled_from([(), (1,), (2,), (1, 2)]))
    return (
        st.lists(one, min_size=1, max_size=3)
        .map(tuple)
        .filter(lambda chosen: sum(int(np.prod(shape)) for _, shape in chosen) <= most)
    )


def pairs(most: int = 3) -> Any:
    """A strategy for pairs whose latents have `most` dimensions at most."""
    return st.builds(
        Pair,
        sites=sites(most),
        likelihood=st.sampled_from(["normal", "poisson", "bernoulli"]),
        width=st.sampled_from([None, 1, 2]),
        context=st.sampled_from([None, "before", "after"]),
        plate=st.sampled_from(["data", "subsampled"]),
        scale=st.sampled_from([None, 0.3, 7.0]),
        mask=st.sampled_from([None, "observed", "datum"]),
        notes=st.booleans(),
    )
