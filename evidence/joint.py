"""The latents of a Pyro pair as one unconstrained vector u per datum, and densities over it."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.distributions import Transform, biject_to
from torch.distributions.constraints import Constraint, MixtureSameFamilyConstraint

from evidence.accounting import accounted, check_shape, is_discrete
from evidence.batch import Batch, Data, repeat_rows
from evidence.fixed import check_bounds
from evidence.idle import check_idle
from evidence.narrower import left_out
from evidence.structure import (
    Latents,
    Program,
    Site,
    at,
    drawn,
    latent_sites,
    log_density,
    masked,
    observed_sites,
    site_of,
    traced,
)
from evidence.summed import check_summable, discrete_sites, marginal_densities
from evidence.support import base_of, bounds_of, space_of, with_bounds
from evidence.unsupported import UnsupportedPair, rows_named


@dataclass(frozen=True)
class Latent:
    """A latent site: its name and event shape, the support of its prior, and the numbers behind it.

    `free` is the shape and `size` the count of the unconstrained numbers that its value is made of.
    """

    name: str
    shape: torch.Size
    support: Constraint
    free: torch.Size
    size: int


class Joint:
    """log p(z), log p(x|z) and log q(z|x) of some data, as functions of unconstrained latents u.

    u is (rows, dimensions), `rows` a multiple of the number of data, the index of the datum
    fastest. The first and the last include log |dz/du|. All three are differentiable, and draw no
    noise.

    Supports may depend on the data: `bounds` are the tensors in them, with a row for each datum
    where they differ between data.

    Raises UnsupportedPair, which names the site, for a pair without per-datum weights.
    """

    def __init__(self, model: Program, guide: Program, x: Data) -> None:
        self.model, self.guide, self.batch = model, guide, Batch.some(x)
        with torch.no_grad():
            with rows_named(self.batch, 0):
                trace, guide_trace = accounted(model, guide, self.batch)
            self.left_out = left_out(trace, guide_trace)
            latents = [site for site in latent_sites(guide_trace) if not is_discrete(site)]
            values = {site["name"]: site["value"] for site in latents}
            summed = discrete_sites(trace), discrete_sites(guide_trace)
            for sites in summed:
                check_summable(sites)
            # The discrete latents of the model; whether the guide has any.
            self.summed, self._guide_sums = [site["name"] for site in summed[0]], bool(summed[1])
            self._masked = check_idle(model, guide, self.batch, guide_trace)
        self.observed = [site["name"] for site in observed_sites(trace, [*values, *self.summed])]
        self.dtype = next(iter(values.values())).dtype
        self.bounds: tuple[Tensor, ...] = ()
        priors = [site_of(trace, name) for name in values]
        self.sites = [self._latent(site) for site in priors]
        with torch.no_grad():
            check_bounds(model, self.batch, priors)
        self.dimensions = sum(site.size for site in self.sites)

    def _latent(self, site: Site) -> Latent:
        support = site["fn"].support
        if support is None:
            raise UnsupportedPair(
                f"latent site {site['name']!r}: {type(site['fn']).__name__} declares no support"
            )
        if isinstance(support, MixtureSameFamilyConstraint):
            # No bijection is registered for a mixture's support; there is one for its components'.
            support = support.base_constraint
        shape = site["value"].shape[1:]
        bounds = bounds_of(support)
        batched = [bound.dim() > len(shape) for bound in bounds]
        of_one = [bound[0] if rows else bound for bound, rows in zip(bounds, batched, strict=True)]
        try:
            free = biject_to(with_bounds(support, of_one)).inverse_shape(shape)
        except NotImplementedError:
            free = None
        if free is None or space_of(site["fn"]) == "a circle":
            raise UnsupportedPair(
                f"latent site {site['name']!r} lies on {space_of(site['fn'])}, which no map from "
                "ℝⁿ covers once; take elbo or iwae, which draw from the guide alone"
            )
        for bound, rows in zip(bounds, batched, strict=True):
            alike = rows and bool((bound == bound[:1]).all())
            self.bounds += (bound[:1] if alike else bound,)
        return Latent(site["name"], shape, support, free, math.prod(free))

    @property
    def idle(self) -> Bool[Tensor, " batch dimensions"]:
        """Which numbers of u are masked, and have no say in what is counted of their datum."""
        size, device = self.batch.size, self.batch.device
        columns = []
        for site in self.sites:
            off = self._masked.get(site.name, torch.zeros((), dtype=torch.bool, device=device))
            off = off.expand(size, *site.shape)
            if site.free != site.shape:  # an event of several numbers is masked as one
                events = base_of(site.support).event_dim
                off = off.flatten(off.dim() - events)[..., 0] if events else off
                off = off.reshape(off.shape + (1,) * events).expand(size, *site.free)
            columns.append(off.reshape(size, -1))
        return torch.cat(columns, 1)

    @property
    def bounded_by_data(self) -> bool:
        """Whether the support of one datum's latents is not that of another's."""
        return any(
            self._differs(site, bound) for site, bounds in self._bounds() for bound in bounds
        )

    def _bounds(self) -> Iterator[tuple[Latent, list[Tensor]]]:
        """Yields every site with those of the bounds that are its own."""
        left = iter(self.bounds)
        for site in self.sites:
            yield site, [next(left) for _ in bounds_of(site.support)]

    def _differs(self, site: Latent, bound: Tensor) -> bool:
        return bound.dim() > len(site.shape) and len(bound) == self.batch.size > 1

    def transforms(self, rows: int) -> list[Transform]:
        """Returns the map from ℝⁿ to its support for each site, for `rows` rows."""
        times = rows // self.batch.size
        found = []
        for site, bounds in self._bounds():
            ends = [repeat_rows(b, times) if self._differs(site, b) else b for b in bounds]
            found.append(biject_to(with_bounds(site.support, ends)))
        return found

    def parts(
        self, u: Float[Tensor, " rows dimensions"]
    ) -> Iterator[tuple[Latent, Transform, Tensor]]:
        """Yields every site with its map and its own part of u."""
        parts = u.split([site.size for site in self.sites], dim=-1)
        for site, transform, part in zip(self.sites, self.transforms(len(u)), parts, strict=True):
            yield site, transform, part.reshape(len(u), *site.free)

    def latents(self, u: Float[Tensor, " rows dimensions"]) -> Latents:
        """Returns z by site name, (rows, *event)."""
        return {site.name: transform(part) for site, transform, part in self.parts(u)}

    def log_jacobian(self, u: Float[Tensor, " rows dimensions"]) -> Float[Tensor, " rows"]:
        """Returns log |dz/du|, summed over all sites."""
        terms = [
            transform.log_abs_det_jacobian(part, transform(part))
            for _, transform, part in self.parts(u)
        ]
        return torch.stack([term.reshape(len(u), -1).sum(-1) for term in terms]).sum(0)

    def unconstrain(self, latents: Latents) -> Float[Tensor, " rows dimensions"]:
        """Returns u from z by site name, (rows, *event)."""
        rows = len(next(iter(latents.values())))
        parts = [
            transform.inv(latents[site.name])
            for site, transform in zip(self.sites, self.transforms(rows), strict=True)
        ]
        return torch.cat([part.reshape(rows, -1) for part in parts], dim=-1)

    def typed(self, u: Float[Tensor, " rows dimensions"]) -> Float[Tensor, " rows dimensions"]:
        """Returns u in the precision in which the guide draws the latents."""
        return u.to(self.dtype)

    def on(self, batch: Batch, bounds: tuple[Tensor, ...]) -> "Joint":
        """Returns the same pair on other data, with the bounds of the supports there."""
        other = copy.copy(self)
        other.batch, other.bounds = batch, bounds
        return other

    def of(self, which: Int[Tensor, " picked"]) -> "Joint":
        """Returns the same pair on some of the data."""
        own = [
            bound[which] if self._differs(site, bound) else bound
            for site, bounds in self._bounds()
            for bound in bounds
        ]
        return self.on(self.batch.rows(which), tuple(own))

    def rows(self, count: int) -> Batch:
        """Returns the data, repeated to `count` rows."""
        return self.batch.repeat(count // self.batch.size)

    def model_terms(
        self, u: Float[Tensor, " rows dimensions"]
    ) -> tuple[Float64[Tensor, " rows"], Float64[Tensor, " rows"]]:
        """Returns log p(z) + log |dz/du|, and log p(x|z)."""
        latents = self.latents(u)
        rows = self.rows(len(u))
        trace = at(self.model, latents, rows)
        log_prior, log_likelihood = marginal_densities(self.model, latents, rows, trace)
        return log_prior + self.log_jacobian(u), log_likelihood

    def log_guide(self, u: Float[Tensor, " rows dimensions"]) -> Float64[Tensor, " rows"]:
        """Returns log q(z|x) + log |dz/du|."""
        latents = self.latents(u)
        if len(latents) > 1 or self._guide_sums:
            rows = self.rows(len(u))
            trace = at(self.guide, latents, rows)
            log_q, _ = marginal_densities(self.guide, latents, rows, trace)
            return log_q + self.log_jacobian(u)
        # One latent site *is* its distribution q(z|x): encode each datum once, for all its rows.
        ((name, value),) = latents.items()
        size = self.batch.size
        site = site_of(at(self.guide, {name: value[:size]}, self.batch), name)
        log_q = log_density(site, value.unflatten(0, (-1, size)))
        return masked(log_q, site).double().flatten() + self.log_jacobian(u)

    @torch.no_grad()
    def draw_prior(self, count: int) -> Float[Tensor, " rows dimensions"]:
        """Returns u of `count` draws of z from p(z) for every datum."""
        return self._draw(self.model, count)

    @torch.no_grad()
    def draw_guide(self, count: int) -> Float[Tensor, " rows dimensions"]:
        """Returns u of `count` draws of z from q(z|x) for every datum."""
        sites = latent_sites(traced(self.guide, self.batch))
        if len(sites) == 1:  # q(z|x) is at hand: encode once
            (site,) = sites
            return self.unconstrain({site["name"]: site["fn"].sample((count,)).flatten(0, 1)})
        return self._draw(self.guide, count)

    def _draw(self, program: Program, count: int) -> Float[Tensor, " rows dimensions"]:
        names = [site.name for site in self.sites]
        trace = drawn(program, self.batch.repeat(count), names)
        for name in names:
            check_shape(site_of(trace, name), count * self.batch.size)
        return self.unconstrain({name: site_of(trace, name)["value"] for name in names})
