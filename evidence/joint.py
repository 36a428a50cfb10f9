"""The latents of a Pyro pair as one unconstrained vector u per datum, and the densities as functions of it."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from pyro import poutine
from torch import Tensor
from torch.distributions import Transform, biject_to
from torch.distributions.constraints import Constraint, MixtureSameFamilyConstraint

from evidence.structure import check_pair, latent_sites, observed_site
from evidence.support import bounds_of, with_bounds
from evidence.weights import Program, masked, repeat_rows, sum_log_probs


@dataclass(frozen=True)
class Site:
    """One latent of the model: its event shape, what its prior allows, and the shape and size of the free numbers behind it."""

    name: str
    shape: torch.Size
    support: Constraint
    free: torch.Size
    size: int


class Joint:
    """log p(z), log p(x|z) and log q(z|x) of the data `batch`, at u (rows, dimensions) with the Jacobian |dz/du| in the
    first and the last: all three differentiable, `rows` a multiple of the number of data, the datum's index fastest.

    Neither draws noise. Supports may depend on the data: `bounds` are the tensors in them, a row for each datum where they
    differ between data.

    Raises RequestError, naming the site, for a pair without per-datum weights.
    """

    def __init__(self, model: Program, guide: Program, batch: tuple[Tensor, ...]) -> None:
        self.model, self.guide, self.batch = model, guide, batch
        with torch.no_grad():
            guide_trace = poutine.trace(guide).get_trace(*batch)
            values = {site["name"]: site["value"] for site in latent_sites(guide_trace)}
            trace = poutine.trace(poutine.condition(model, data=values)).get_trace(*batch)
            check_pair(trace, guide_trace, len(batch[0]))
        self.observed = observed_site(trace, values)["name"]
        self.bounds: tuple[Tensor, ...] = ()
        self.sites = [self._site(name, trace.nodes[name]) for name in values]
        self.dimensions = sum(site.size for site in self.sites)

    def _site(self, name: str, node: Any) -> Site:
        support = node["fn"].support
        if isinstance(
            support, MixtureSameFamilyConstraint
        ):  # has no bijection registered; its components' support has
            support = support.base_constraint
        shape = node["value"].shape[1:]
        bounds = bounds_of(support)
        batched = [bound.dim() > len(shape) for bound in bounds]
        of_one = [bound[0] if rows else bound for bound, rows in zip(bounds, batched, strict=True)]
        free = biject_to(with_bounds(support, of_one)).inverse_shape(shape)
        alike = [
            rows and bool((bound == bound[:1]).all())
            for bound, rows in zip(bounds, batched, strict=True)
        ]
        self.bounds += tuple(
            bound[:1] if same else bound for bound, same in zip(bounds, alike, strict=True)
        )
        return Site(name, shape, support, free, math.prod(free))

    @property
    def bounded_by_data(self) -> bool:
        """Whether the support of one datum's latents is not that of another's."""
        return any(
            self._differs(site, bound) for site, bounds in self._bounds() for bound in bounds
        )

    def _bounds(self) -> Iterator[tuple[Site, list[Tensor]]]:
        """Every site with its own of the bounds."""
        left = iter(self.bounds)
        for site in self.sites:
            yield site, [next(left) for _ in bounds_of(site.support)]

    def _differs(self, site: Site, bound: Tensor) -> bool:
        return bound.dim() > len(site.shape) and len(bound) == len(self.batch[0]) > 1

    def transforms(self, rows: int) -> list[Transform]:
        """For each site, the map from ℝⁿ to its support, of `rows` rows."""
        times = rows // len(self.batch[0])
        return [
            biject_to(
                with_bounds(
                    site.support,
                    [repeat_rows(b, times) if self._differs(site, b) else b for b in bounds],
                )
            )
            for site, bounds in self._bounds()
        ]

    def parts(
        self, u: Float[Tensor, " rows dimensions"]
    ) -> Iterator[tuple[Site, Transform, Tensor]]:
        """Every site with its map, and its own part of u."""
        parts = u.split([site.size for site in self.sites], dim=-1)
        for site, transform, part in zip(self.sites, self.transforms(len(u)), parts, strict=True):
            yield site, transform, part.unflatten(-1, site.free)

    def latents(self, u: Float[Tensor, " rows dimensions"]) -> dict[str, Tensor]:
        """z by site name, (rows, *event)."""
        return {site.name: transform(part) for site, transform, part in self.parts(u)}

    def log_jacobian(self, u: Float[Tensor, " rows dimensions"]) -> Float[Tensor, " rows"]:
        """log |dz/du|."""
        terms = [
            transform.log_abs_det_jacobian(part, transform(part))
            for _, transform, part in self.parts(u)
        ]
        return torch.stack([term.reshape(len(u), -1).sum(-1) for term in terms]).sum(0)

    def unconstrain(self, latents: dict[str, Tensor]) -> Float[Tensor, " rows dimensions"]:
        """u from z by site name, (rows, *event)."""
        rows = len(next(iter(latents.values())))
        parts = [
            transform.inv(latents[site.name])
            for site, transform in zip(self.sites, self.transforms(rows), strict=True)
        ]
        return torch.cat([part.flatten(1) for part in parts], dim=-1)

    def on(self, batch: tuple[Tensor, ...], bounds: tuple[Tensor, ...]) -> "Joint":
        """The same pair on other data, as many of them, with the bounds of the supports there."""
        other = copy.copy(self)
        other.batch, other.bounds = batch, bounds
        return other

    def rows(self, count: int) -> tuple[Tensor, ...]:
        """The data, repeated to `count` rows."""
        return tuple(repeat_rows(part, count // len(part)) for part in self.batch)

    def model_terms(
        self, u: Float[Tensor, " rows dimensions"]
    ) -> tuple[Float64[Tensor, " rows"], Float64[Tensor, " rows"]]:
        """log p(z) + log |dz/du|, and log p(x|z)."""
        latents = self.latents(u)
        trace = poutine.trace(poutine.condition(self.model, data=latents)).get_trace(
            *self.rows(len(u))
        )
        log_prior = sum_log_probs(trace.nodes[name] for name in latents) + self.log_jacobian(u)
        return log_prior, sum_log_probs([trace.nodes[self.observed]])

    def log_guide(self, u: Float[Tensor, " rows dimensions"]) -> Float64[Tensor, " rows"]:
        """log q(z|x) + log |dz/du|."""
        latents = self.latents(u)
        if len(latents) > 1:
            trace = poutine.trace(poutine.condition(self.guide, data=latents)).get_trace(
                *self.rows(len(u))
            )
            return sum_log_probs(trace.nodes[name] for name in latents) + self.log_jacobian(u)
        # One latent site *is* its distribution q(z|x): encode each datum once, whatever the number of rows.
        ((name, value),) = latents.items()
        one_each = poutine.condition(self.guide, data={name: value[: len(self.batch[0])]})
        site: Any = poutine.trace(one_each).get_trace(*self.batch).nodes[name]
        log_q = site["fn"].log_prob(value.unflatten(0, (-1, len(self.batch[0]))))
        return masked(log_q, site).double().flatten() + self.log_jacobian(u)

    @torch.no_grad()
    def draw_prior(self, count: int) -> Float[Tensor, " rows dimensions"]:
        """u of `count` draws of z from p(z) for every datum."""
        return self._draw(self.model, count)

    @torch.no_grad()
    def draw_guide(self, count: int) -> Float[Tensor, " rows dimensions"]:
        """u of `count` draws of z from q(z|x) for every datum."""
        sites = latent_sites(poutine.trace(self.guide).get_trace(*self.batch))
        if len(sites) == 1:  # q(z|x) is at hand: encode once
            (site,) = sites
            return self.unconstrain({site["name"]: site["fn"].sample((count,)).flatten(0, 1)})
        return self._draw(self.guide, count)

    def _draw(self, program: Program, count: int) -> Float[Tensor, " rows dimensions"]:
        nodes: dict[str, Any] = (
            poutine.trace(program).get_trace(*self.rows(count * len(self.batch[0]))).nodes
        )
        return self.unconstrain({site.name: nodes[site.name]["value"] for site in self.sites})
