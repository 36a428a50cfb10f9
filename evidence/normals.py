"""Normal distributions that are fitted to where chains have been: proposals for other chains."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.distributions import Normal


@dataclass(frozen=True)
class Normals:
    """Every datum has a mixture of equal parts, each a normal of independent numbers.

    A number of standard deviation 0 is of no density: it stays where it is, and is not counted.
    """

    mean: Float[Tensor, " parts N dimensions"]
    sd: Float[Tensor, " parts N dimensions"]

    @classmethod
    def fitted(
        cls,
        visited: Float[Tensor, " visits parts N dimensions"],
        least: Float[Tensor, " N dimensions"],
    ) -> "Normals":
        """Returns normals of the visits' moments, of standard deviations of at least `least`."""
        return cls(visited.mean(0), visited.std(0).maximum(least))

    def draw(self, count: int) -> Float[Tensor, " rows dimensions"]:
        """Returns `count` draws for every datum, the index of the datum fastest."""
        parts, size, _ = self.mean.shape
        part = torch.randint(parts, (count, size), device=self.mean.device)
        datum = torch.arange(size, device=part.device)
        mean, sd = self.mean[part, datum], self.sd[part, datum]
        return (mean + sd * torch.randn_like(mean)).flatten(0, 1)

    def log_density(self, u: Float[Tensor, " rows dimensions"]) -> Float64[Tensor, " rows"]:
        """Returns the log-density of every row."""
        parts, size, dimensions = self.mean.shape
        counted = self.sd > 0
        law = Normal(self.mean.double(), self.sd.double().where(counted, 1), validate_args=False)
        terms = law.log_prob(u.double().reshape(-1, 1, size, dimensions)).where(counted, 0)
        return terms.sum(-1).logsumexp(1).flatten() - math.log(parts)

    def of(self, which: Int[Tensor, " picked"]) -> "Normals":
        """Returns the normals of some of the data."""
        return Normals(self.mean[:, which], self.sd[:, which])
