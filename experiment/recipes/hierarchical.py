"""p(z2) p(z1|z2) p(x|z1, z2) with q(z1|x) q(z2|z1): two stochastic layers."""

import torch

from experiment.build import Parts
from experiment.recipes.base import Pair, Recipe
from guides.bottom_up import BottomUp
from guides.families.mean_field import MeanField
from models.hierarchical import Hierarchical as HierarchicalModel


class Hierarchical(Recipe):
    """z1 has `latent_dim` dimensions and z2 `top_dim` (None: as many), with perceptrons between.

    Each perceptron has one layer of `width`. A prior that is made of the guide's posteriors is one
    of q(z2|z1), at pseudo-inputs in the space of z1.
    """

    def __init__(self, top_dim: int | None = None, width: int = 200) -> None:
        if top_dim is not None and top_dim < 1:
            raise ValueError(f"top_dim={top_dim}: must be at least 1, or null for latent_dim")
        if width < 1:
            raise ValueError(f"width={width}: must be at least 1")
        self.top_dim, self.width = top_dim, width

    def pair(self, parts: Parts) -> Pair:
        parts.refuse_one_latent_objective(
            "z1 and z2 depend on each other under q, so the expectation of log q(z1|x) − "
            "log p(z1|z2) is no KL in closed form; use objective=elbo"
        )
        low = parts.latent_dim
        top = low if self.top_dim is None else self.top_dim
        family, top_family = parts.family(low), parts.family(top)
        guide = BottomUp(
            parts.encoder(family.num_parameters),
            family,
            parts.perceptron(low, top_family.num_parameters, self.width),
            top_family,
        )
        likelihood = parts.likelihood()
        prior = parts.prior(
            top,
            posterior=guide.top_posterior,
            examples=lambda count: torch.randn(count, low),
        )
        middle = MeanField(low)
        top_down = parts.perceptron(top, middle.num_parameters, self.width)
        decoder = parts.decoder(low + top, likelihood)
        return Pair(HierarchicalModel(prior, top_down, middle, decoder, likelihood), guide)
