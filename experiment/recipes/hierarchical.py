"""p(z2) p(z1|z2) p(x|z1, z2) with q(z1|x) q(z2|z1): two stochastic layers."""

import torch
from torch import nn

from errors import RequestError
from experiment.build import Parts
from guides.bottom_up import BottomUp
from guides.families.mean_field import MeanField
from models.hierarchical import Hierarchical


def hierarchical(
    parts: Parts, top_dim: int | None = None, width: int = 200
) -> tuple[nn.Module, nn.Module]:
    """z1 has `latent_dim` dimensions and z2 `top_dim` (null: as many); perceptrons of one layer of `width` between them.

    A prior made of the guide's posteriors is one of q(z2|z1), at pseudo-inputs in the space of z1.
    """
    parts.require(
        "objective",
        lambda objective: not objective.one_latent_only,
        "z1 and z2 depend on each other under q, so the expectation of log q(z1|x) − log p(z1|z2) is no KL in closed form; "
        "use objective=elbo",
    )
    low, top = parts.latent_dim, parts.latent_dim if top_dim is None else top_dim
    if top < 1:
        raise RequestError(f"model.top_dim={top_dim}: must be at least 1, or null for latent_dim")
    if width < 1:
        raise RequestError(f"model.width={width}: must be at least 1")
    family, top_family = parts.family(low), parts.family(top)
    guide = BottomUp(
        parts.encoder(family.num_parameters),
        family,
        parts.perceptron(low, top_family.num_parameters, width),
        top_family,
    )
    likelihood = parts.likelihood()
    prior = parts.prior(
        top, posterior=guide.top_posterior, examples=lambda count: torch.randn(count, low)
    )
    middle = MeanField(low)
    top_down = parts.perceptron(top, middle.num_parameters, width)
    return Hierarchical(
        prior, top_down, middle, parts.decoder(low + top, likelihood), likelihood
    ), guide
