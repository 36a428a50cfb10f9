"""What a pair expects of x: given codes, given data, and given nothing.

All of this works on any pair that `evidence` works on. `x` of a batch only says how many data there
are wherever a function is not given the guide.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import torch
from jaxtyping import Float
from pyro import poutine
from pyro.distributions.torch_distribution import TorchDistributionMixin
from pyro.poutine import Trace
from torch import Tensor

from data import Dataset
from evidence.batch import Batch
from evidence.means import mean_of
from evidence.noise import forked
from evidence.structure import latent_sites, observed_site, traced
from evidence.summed import discrete_sites
from evidence.weights import Program, draw, rows_per_chunk

Latents = dict[str, Tensor]


def expected_x(model: Program, batch: Batch, latents: Latents) -> Float[Tensor, " N *shape"]:
    """Returns E[x|z] at `latents`, by site (N, *event), beside the labels of `batch`."""
    trace = poutine.trace(poutine.condition(model, data=latents)).get_trace(*batch)
    return _mean_of_x(trace, latents)


def decode(model: Program, batch: Batch, latents: Latents) -> Float[Tensor, " N *shape"]:
    """Returns what `expected_x` returns, but runs the model on a part of the rows at a time."""
    size = rows_per_chunk(batch.x, model)
    parts = [value.split(size) for value in latents.values()]
    return torch.cat(
        [
            expected_x(model, rows, dict(zip(latents, values, strict=True)))
            for rows, *values in zip(batch.parts(size), *parts, strict=True)
        ]
    )


def reconstruct(
    model: Program, guide: Program, batch: Batch, particles: int = 32
) -> Float[Tensor, " N *shape"]:
    """Returns E_q[E[x|z]]: what the model expects of x after it has seen x."""
    latents = {name: value.flatten(0, 1) for name, value in drawn(model, guide, batch, particles)}
    return decode(model, batch.repeat(particles), latents).unflatten(0, (particles, -1)).mean(0)


def drawn(
    model: Program, guide: Program, batch: Batch, particles: int
) -> Iterator[tuple[str, Tensor]]:
    """Yields draws of every latent of the guide by its name, (particles, N, *event)."""
    if not discrete(guide, batch):
        yield from draw(model, guide, batch, particles).latents.items()
        return
    for site in latent_sites(traced(guide, batch.repeat(particles))):  # `draw` sums some of them
        yield site["name"], site["value"].unflatten(0, (particles, -1))


def continuous(
    model: Program, guide: Program, batch: Batch, particles: int
) -> dict[str, Float[Tensor, " particles N *event"]]:
    """Returns draws of the guide's continuous latents by site."""
    summed = discrete(guide, batch)
    return {
        name: value for name, value in drawn(model, guide, batch, particles) if name not in summed
    }


def discrete(guide: Program, batch: Batch) -> Latents:
    """Returns the likeliest values of the guide's discrete latents, by site (N, *event)."""
    with forked(batch.device):
        sites = discrete_sites(traced(guide, batch))
    return {site["name"]: site["fn"].mode for site in sites}


def generate(model: Program, data: Dataset, count: int) -> Float[Tensor, " count *shape"]:
    """Returns E[x|z] at `count` draws z ~ p(z); labels, if the model takes them, take turns."""
    trace = _run(model, blank(data, count))
    return _mean_of_x(trace, [site["name"] for site in latent_sites(trace)])


def sampled(model: Program, batch: Batch, means: bool = False) -> Float[Tensor, " N *shape"]:
    """Returns x ~ p(x), or E[x|z] at z ~ p(z), for every row, beside the labels of `batch`."""
    law = law_of_x(model, batch)
    return mean_of(law) if means else cast(Tensor, law.sample())


def law_of_x(model: Program, batch: Batch) -> TorchDistributionMixin:
    """Returns p(x|z) at z ~ p(z), for every row beside the labels of `batch`."""
    trace = _run(model, batch)
    law = observed_site(trace, [site["name"] for site in latent_sites(trace)])["fn"]
    return cast(TorchDistributionMixin, law)


def code(
    model: Program, guide: Program, batch: Batch, particles: int
) -> Float[Tensor, " N latent"]:
    """Returns E_q[z], all latent sites side by side.

    It is that of the distribution if q has one latent site and knows its mean, and the average of
    `particles` draws otherwise.
    """
    sites = latent_sites(traced(guide, batch))
    if len(sites) == 1:
        with suppress(NotImplementedError):  # the mean of a flow is not known
            return cast(Tensor, sites[0]["fn"].mean).flatten(1)
    values = continuous(model, guide, batch, particles).values()
    return torch.cat([value.mean(0).flatten(1) for value in values], dim=1)


def prior_draws(model: Program, batch: Batch) -> Latents:
    """Returns one draw z ~ p(z) for every row of `batch`, by site (N, *event)."""
    return {site["name"]: site["value"] for site in latent_sites(_run(model, batch))}


def blank(data: Dataset, count: int) -> Batch:
    """Returns `count` data that are all zero, with labels in turn if the model is given labels."""
    example, labels = Batch.of(data.train[:1]), data.train.labels
    columns = [torch.zeros(count, *example.x.shape[1:], device=example.device)]
    if example.others and labels is not None:
        columns.append(torch.arange(count, device=labels.device) % (int(labels.max()) + 1))
    return Batch(columns)


def _run(model: Program, batch: Batch) -> Trace:
    return poutine.trace(model).get_trace(*batch)


def _mean_of_x(trace: Trace, latents: Latents | list[str]) -> Tensor:
    return mean_of(observed_site(trace, latents)["fn"])
