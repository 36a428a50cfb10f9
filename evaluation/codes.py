"""Where the guide puts data: E_q[z], computed once for an evaluation."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from data import Split
from evidence.batch import Batch
from evidence.noise import forked
from evidence.usage import LatentUsage
from evidence.weights import Program
from experiment.predictions import continuous

DRAWS = 32
# Data that are encoded at once.
BLOCK = 500


@dataclass(frozen=True)
class Codes:
    """E_q[z] of the data `batch` by latent site, (N, *event), each from `draws` draws of z.

    `noise` is the variance of those draws, averaged over the data, of every dimension.
    """

    batch: Batch
    means: dict[str, Tensor]
    noise: Float[Tensor, " latent"]
    draws: int = DRAWS

    @property
    def flat(self) -> Float[Tensor, " N latent"]:
        """E_q[z] with all latent sites side by side."""
        return torch.cat([mean.flatten(1) for mean in self.means.values()], dim=1)

    @property
    def dimensions(self) -> list[tuple[str, int]]:
        """The site of every dimension of `flat`, and its number there, counted from 0."""
        return [(name, d) for name, mean in self.means.items() for d in range(mean[0].numel())]

    def by_site(self, z: Float[Tensor, " M latent"]) -> dict[str, Tensor]:
        """Returns codes that have all sites side by side as the sites' values, (M, *event)."""
        parts = z.split([mean[0].numel() for mean in self.means.values()], dim=1)
        named = zip(self.means.items(), parts, strict=True)
        return {name: part.unflatten(1, mean.shape[1:]) for (name, mean), part in named}

    def activity(self, usage: LatentUsage | None) -> Float[Tensor, " latent"]:
        """Returns the variance over data of E_q[z_d] for every dimension.

        This is the activity in `usage`, which evaluation.json counts the active units by. A guide
        with several latent sites has none: then it is estimated from these means, without the part
        of their variance that comes from the noise of the draws.
        """
        if usage is not None and len(usage.activity) == len(self.noise):
            return usage.activity
        return self.flat.var(0, correction=0) - self.noise / self.draws


@torch.no_grad()
def encode(model: Program, guide: Program, split: Split, count: int) -> Codes:
    """Returns the codes of the first `count` data of `split`, the same at every call."""
    with forked(split.device, seed=0):
        batch = Batch.of(split[:count])
        means: list[dict[str, Tensor]] = []
        noise: list[Tensor] = []
        for part in batch.parts(BLOCK):
            latents = continuous(model, guide, part, DRAWS)
            means.append({name: value.mean(0) for name, value in latents.items()})
            noise.append(torch.cat([value.var(0).flatten(1) for value in latents.values()], dim=1))
    joined = {name: torch.cat([part[name] for part in means]) for name in means[0]}
    return Codes(batch, joined, torch.cat(noise).mean(0))


def principal_components(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns `points` (N, D) along their two main axes, and every axis's share of the variance."""
    u, s, _ = np.linalg.svd(points - points.mean(0), full_matrices=False)
    return u[:, :2] * s[:2], s**2 / max((s**2).sum(), np.finfo(s.dtype).tiny)
