"""Where the guide puts data, and what the model makes of any code."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from evidence.usage import COLLAPSED
from evidence.weights import draw, repeat_rows, rows_per_chunk, split_batch
from experiment import Run
from report.figures.pictures import expected_x
from report.page.naming import latent_name

PARTICLES = 16


@dataclass(frozen=True)
class Codes:
    """E_q[z] of N data, all latent sites side by side, and what the model expects of x there, E_q[E[x|z]].

    `activity` is the variance over data of E_q[z_d], with the draws' own noise taken off; `sites` are the sites' event
    shapes; `columns` the data with what the programs are given besides them.
    """

    run: Run
    columns: tuple[Tensor, ...]
    mean: Float[Tensor, " N latent"]
    activity: Float[Tensor, " latent"]
    reconstruction: Float[Tensor, " N *shape"]
    sites: dict[str, torch.Size]

    @property
    def names(self) -> list[str]:
        """Of every dimension."""
        return [
            latent_name(site, d) for site, event in self.sites.items() for d in range(event.numel())
        ]

    @property
    def active(self) -> list[int]:
        """The dimensions that vary with x, the most active first."""
        order = self.activity.argsort(descending=True).tolist()
        return [d for d in order if self.activity[d] > COLLAPSED]

    @property
    def given(self) -> bool:
        """Whether the programs are given more than the datum: its label."""
        return len(self.columns) > 1

    def decode(
        self, z: Float[Tensor, " M latent"], of: Int[Tensor, " M"]
    ) -> Float[Tensor, " M *shape"]:
        """E[x|z] at any codes; `of` says whose label goes with each, where the model is given labels."""
        values = z.to(self.mean).split([event.numel() for event in self.sites.values()], dim=1)
        latents = {
            n: v.unflatten(1, event)
            for (n, event), v in zip(self.sites.items(), values, strict=True)
        }
        return decode(self.run, tuple(part[of] for part in self.columns), latents)


def decode(
    run: Run, rows: tuple[Tensor, ...], latents: dict[str, Tensor]
) -> Float[Tensor, " M *shape"]:
    """E[x|z] at the latents (M, *event), a chunk at a time; of x in `rows` only the number matters."""
    size = rows_per_chunk(rows[0], run.model)
    parts = zip(*(column.split(size) for column in (*rows, *latents.values())), strict=True)
    split = [
        (part[: len(rows)], dict(zip(latents, part[len(rows) :], strict=True))) for part in parts
    ]
    return torch.cat([expected_x(run.model, some, given) for some, given in split])


def encode(run: Run, columns: tuple[Tensor, ...]) -> Codes:
    """Draw z for every datum, and decode the draws."""
    means, noise, reconstructions = [], [], []
    sites: dict[str, torch.Size] = {}
    for block in split_batch(columns, PARTICLES, run.model):
        latents = draw(run.model, run.guide, block, PARTICLES).latents
        sites = {name: value.shape[2:] for name, value in latents.items()}
        z = torch.cat([value.flatten(2) for value in latents.values()], dim=2)
        means.append(z.mean(0))
        noise.append(z.var(0))
        rows = tuple(repeat_rows(part, PARTICLES) for part in block)
        decoded = decode(run, rows, {name: value.flatten(0, 1) for name, value in latents.items()})
        reconstructions.append(decoded.unflatten(0, (PARTICLES, -1)).mean(0))
    mean = torch.cat(means)
    activity = mean.var(0, correction=0) - torch.cat(noise).mean(0) / PARTICLES
    return Codes(run, columns, mean, activity, torch.cat(reconstructions), sites)
