"""Reparametrized draws from the guide with their log-densities, of which bounds are made.

Every sample site lies in one data plate. Particles are rows of a larger batch, so programs need not
know of them. `poutine.scale` and plate subsampling weight a bound, never a log-weight: a scaled
log-weight would be a power of the weight (as in Pyro's RenyiELBO), which bounds nothing.

`evidence.weights` draws without gradients and in float64; here both programs stay differentiable,
each latent site is kept apart, and the scale is part of the result.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from pyro import poutine
from torch import Tensor, nn

from evidence.batch import Batch
from evidence.recording.private_torch import constant_parameters
from evidence.structure import latent_sites, observed_site
from evidence.weights import Program, masked

Site = Any  # Pyro's message: a dictionary of fn, value, scale, …
Scale = float | Tensor


@dataclass(frozen=True)
class Draws:
    """K draws for each of N data; log-densities in nats, by latent site where there are several.

    `scale` is the weight of the bound. The `latents` are what the model was run with.
    """

    log_likelihood: Float[Tensor, " K N"]
    log_prior: dict[str, Float[Tensor, " K N"]]
    log_guide: dict[str, Float[Tensor, " K N"]]
    scale: Scale
    latents: dict[str, Tensor]

    @property
    def log_weights(self) -> Float[Tensor, " K N"]:
        """The log weights log p(x, z) − log q(z|x)."""
        return self.log_likelihood - sum(self.kl.values())

    @property
    def kl(self) -> dict[str, Float[Tensor, " K N"]]:
        """log q − log p of each latent site, whose expectations add up to the KL."""
        return {name: self.log_guide[name] - self.log_prior[name] for name in self.log_guide}


def reparametrized(
    model: Program,
    guide: Program,
    columns: Sequence[Tensor],
    count: int,
    frozen_guide: bool = False,
) -> Draws:
    """Returns `count` reparametrized draws for every datum, with gradients.

    With `frozen_guide`, log q takes the guide's parameters as constants: its gradient is that
    through z alone. The `latents` are copies of z made for scoring, so that a hook on one of them
    sees the gradient of the scores and no more.

    Raises:
        ValueError: A latent site is not reparametrized, or the sites are scaled differently.
    """
    batch = Batch.of(columns)
    rows = batch.repeat(count)
    sites = latent_sites(poutine.trace(guide).get_trace(*batch))
    scale = common_scale(sites)
    # The distribution of a single site can be drawn from again: one encoding serves all particles.
    alone = len(sites) == 1
    if not alone and count > 1:
        sites = latent_sites(poutine.trace(guide).get_trace(*rows))
    values = {site["name"]: _rsample(site, count if alone else 1) for site in sites}
    latents = {site["name"]: _as_rows(values[site["name"]], site, rows.size) for site in sites}
    if frozen_guide:
        log_guide = _log_guide_again(guide, sites, latents, batch if alone else rows)
    else:  # of the very tensors that were drawn: flows know their own draws by identity
        log_guide = {
            site["name"]: masked(site["fn"].log_prob(values[site["name"]]), site) for site in sites
        }
    model_trace = poutine.trace(poutine.condition(model, data=latents)).get_trace(*rows)
    observed = observed_site(model_trace, latents)
    sites_of_model = [observed, *(model_trace.nodes[name] for name in latents)]
    _check_scales(sites_of_model, scale, count, batch.size)
    shape = (count, batch.size)
    return Draws(
        log_likelihood=_log_prob(observed).reshape(shape),
        log_prior={name: _log_prob(model_trace.nodes[name]).reshape(shape) for name in latents},
        log_guide={name: value.reshape(shape) for name, value in log_guide.items()},
        scale=scale,
        latents=latents,
    )


def _rsample(site: Site, count: int) -> Tensor:
    if not site["fn"].has_rsample:
        raise ValueError(
            f"latent site {site['name']!r} is not reparametrized, which this objective needs"
        )
    return site["value"] if count == 1 else site["fn"].rsample((count,))


def _as_rows(value: Tensor, site: Site, rows: int) -> Float[Tensor, " {rows} *event"]:
    value = value.reshape(rows, *site["fn"].event_shape)
    return value.view_as(value)


def _log_guide_again(
    guide: Program, sites: Sequence[Site], latents: dict[str, Tensor], batch: Batch
) -> dict[str, Tensor]:
    """Returns log q of `latents` by a second run of the guide, in which nothing is drawn."""
    given = {site["name"]: site["value"] for site in sites} if len(sites) == 1 else latents
    with frozen(guide) as constant:
        trace = poutine.trace(poutine.condition(constant, data=given)).get_trace(*batch)
        again: dict[str, Site] = {name: trace.nodes[name] for name in latents}
        return {
            name: masked(site["fn"].log_prob(latents[name].reshape(-1, *site["value"].shape)), site)
            for name, site in again.items()
        }


@contextmanager
def frozen(program: Program) -> Iterator[Program]:
    """Gives the program with constants for its parameters, until the context closes."""
    if not isinstance(program, nn.Module):
        raise ValueError(
            "this objective needs a guide that is a torch.nn.Module, to know its parameters"
        )
    with constant_parameters(program) as constant:
        yield constant


def common_scale(sites: Iterable[Site]) -> Scale:
    """Returns the weight of the bound; raises ValueError if sites differ, since none is then."""
    first, *others = [site["scale"] for site in sites]
    if any(not _same(scale, first) for scale in others):
        raise ValueError(
            "the guide's sites are scaled differently, but a bound has one scale; "
            "use the objective beta to weight a KL"
        )
    return first


def _check_scales(sites: Sequence[Site], scale: Scale, count: int, size: int) -> None:
    if isinstance(scale, Tensor) and scale.shape not in ((), (1,), (size,)):
        raise ValueError(
            f"the guide is scaled by a tensor of shape {tuple(scale.shape)} on {size} data; a "
            "bound has one scale, or one for each datum"
        )
    for site in sites:
        given = site["scale"]
        if isinstance(given, Tensor) and given.shape == (count * size,):
            given = given.reshape(count, size)  # one for each datum, as the rows are
        # A subsampled plate divides its size by the rows it sees, which are `count` times the data.
        if not (_same(given, scale) or _same(given, scale / count)):
            raise ValueError(
                f"site {site['name']!r} is not scaled as the guide is, by {scale}, but a bound has "
                "one scale; use the objective beta to weight a KL"
            )


def _same(one: Scale, other: Scale) -> bool:
    if not (isinstance(one, Tensor) or isinstance(other, Tensor)):
        return abs(one - other) <= 1e-9 * abs(other)
    a, b = (torch.as_tensor(scale).double().cpu() for scale in (one, other))
    if a.numel() != 1 and b.numel() != 1 and a.shape[-1] != b.shape[-1]:
        return False
    return bool(torch.isclose(a, b, rtol=1e-6, atol=0.0).all())


def _log_prob(site: Site) -> Float[Tensor, " rows"]:
    return masked(site["fn"].log_prob(site["value"], *site["args"], **site["kwargs"]), site)
