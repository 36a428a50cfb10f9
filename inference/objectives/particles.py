"""Per-datum log-densities of draws from the guide, with gradients: what bounds with several particles are made of.

Every sample site lies in one data plate. Particles are rows of a larger batch, so programs need not know of them.
`poutine.scale` and plate subsampling weight a *bound*, log-weights never: scaled weights would be exponentiated to a
power (as Pyro's RenyiELBO does), which bounds nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from pyro import poutine
from torch import Tensor, nn

from errors import RequestError
from evidence.structure import latent_sites, observed_site
from evidence.weights import masked, repeat_rows

Program = Callable[..., Any]


@dataclass(frozen=True)
class Particles:
    """K draws for each of N data; log-densities in nats, by latent site where there are several. `scale` is the
    weight of the bound."""

    log_likelihood: Float[Tensor, " K N"]
    log_prior: dict[str, Float[Tensor, " K N"]]
    log_guide: dict[str, Float[Tensor, " K N"]]
    scale: Any
    latents: dict[str, Float[Tensor, " K*N *event"]]

    @property
    def log_weights(self) -> Float[Tensor, " K N"]:
        """log p(x, z) − log q(z|x)."""
        return self.log_likelihood - sum(self.kl.values())

    @property
    def kl(self) -> dict[str, Float[Tensor, " K N"]]:
        """log q − log p of each latent site, whose expectations add up to the KL."""
        return {name: self.log_guide[name] - self.log_prior[name] for name in self.log_guide}


def draw(
    model: Program,
    guide: Program,
    batch: tuple[Tensor, ...],
    count: int,
    frozen_guide: bool = False,
) -> Particles:
    """`count` reparametrised draws for every datum of `batch` (each part (N, …)).

    With `frozen_guide`, log q takes the guide's parameters as constants: its gradient is that through z alone. The
    `latents` are then copies of z made for scoring, so that a hook on one sees the gradient of the scores and no more.
    """
    sites = latent_sites(poutine.trace(guide).get_trace(*batch))
    scale = common_scale(sites)
    rows = tuple(repeat_rows(part, count) for part in batch)
    alone = (
        len(sites) == 1
    )  # then its distribution can be drawn from again: one encoding serves all particles
    if not alone and count > 1:
        sites = latent_sites(poutine.trace(guide).get_trace(*rows))
    values = {site["name"]: _rsample(site, count if alone else 1) for site in sites}
    latents = {site["name"]: _as_rows(values[site["name"]], site, len(rows[0])) for site in sites}
    if frozen_guide:
        with detached_parameters(guide):
            log_guide = _log_guide_again(guide, sites, latents, *(batch if alone else rows))
    else:  # of the very tensors that were drawn: flows know their own draws by identity
        log_guide = {
            site["name"]: masked(site["fn"].log_prob(values[site["name"]]), site) for site in sites
        }
    model_trace = poutine.trace(poutine.condition(model, data=latents)).get_trace(*rows)
    observed = observed_site(model_trace, latents)
    _check_scales([observed, *(model_trace.nodes[name] for name in latents)], scale, count)
    shape = (count, len(batch[0]))
    return Particles(
        log_likelihood=_log_prob(observed).reshape(shape),
        log_prior={name: _log_prob(model_trace.nodes[name]).reshape(shape) for name in latents},
        log_guide={name: value.reshape(shape) for name, value in log_guide.items()},
        scale=scale,
        latents=latents,
    )


def _rsample(site: Any, count: int) -> Tensor:
    if not site["fn"].has_rsample:
        raise RequestError(
            f"latent site {site['name']!r} is not reparametrised, which this objective needs"
        )
    return site["value"] if count == 1 else site["fn"].rsample((count,))


def _as_rows(value: Tensor, site: Any, rows: int) -> Float[Tensor, " rows *event"]:
    value = value.reshape(rows, *site["fn"].event_shape)
    return value.view_as(value)


def _log_guide_again(
    guide: Program, sites: list[Any], latents: dict[str, Tensor], *batch: Tensor
) -> dict[str, Tensor]:
    """log q of `latents` by a second run of the guide on `batch`, in which nothing is drawn."""
    given = {site["name"]: site["value"] for site in sites} if len(sites) == 1 else latents
    trace = poutine.trace(poutine.condition(guide, data=given)).get_trace(*batch)
    again: dict[str, Any] = {name: trace.nodes[name] for name in latents}
    return {
        name: masked(site["fn"].log_prob(latents[name].reshape(-1, *site["value"].shape)), site)
        for name, site in again.items()
    }


@contextmanager
def detached_parameters(program: Program) -> Iterator[None]:
    """Inside, the parameters of the module are constants. (`functional_call` would put them back too early: flows call
    their networks only when log_prob is asked for.)"""
    if not isinstance(program, nn.Module):
        raise RequestError(
            "this objective needs a guide that is a torch.nn.Module, to know its parameters"
        )
    kept = [
        (module._parameters, name, p)
        for module in program.modules()
        for name, p in module._parameters.items()
    ]
    try:
        for parameters, name, parameter in kept:
            parameters[name] = None if parameter is None else parameter.detach()  # type: ignore[assignment]
        yield
    finally:
        for parameters, name, parameter in kept:
            parameters[name] = parameter


def common_scale(sites: Iterable[Any]) -> Any:
    """The weight of the bound. Raises RequestError where sites differ: such a loss is no scaled bound."""
    first, *others = [site["scale"] for site in sites]
    if any(not _same(scale, first) for scale in others):
        raise RequestError(
            "the guide's sites are scaled differently: a bound has one scale; use objective=beta to weight a KL"
        )
    return first


def _check_scales(sites: list[Any], scale: Any, count: int) -> None:
    for site in sites:
        # A subsampled plate divides its size by the rows it sees, which are `count` times the data.
        if not (_same(site["scale"], scale) or _same(site["scale"], scale / count)):
            raise RequestError(
                f"site {site['name']!r} is scaled by {site['scale']}, the guide by {scale}: a bound has one scale; "
                "use objective=beta to weight a KL"
            )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return True  # reading them would wait for the device
    return abs(one - other) <= 1e-9 * abs(other)


def _log_prob(site: Any) -> Float[Tensor, " rows"]:
    return masked(site["fn"].log_prob(site["value"], *site["args"], **site["kwargs"]), site)
