"""p(x|z) = Π softmax(h_i)[x_i], for x in {0, …, levels − 1}."""

from typing import Any

import pyro.distributions as dist
import torch
from jaxtyping import Float
from torch import Tensor

from errors import RequestError
from models.likelihoods.base import Likelihood


class Categorical(Likelihood):
    """One free probability per level and dimension: any distribution of one pixel, at `levels` outputs for each."""

    spaces = ("bytes",)

    def __init__(self, shape: tuple[int, ...], levels: int | None) -> None:
        if levels is None:
            raise RequestError("likelihood=categorical: the data are not quantised (data.levels is null)")
        super().__init__(shape, parameters_per_dimension=levels)
        self.levels = levels

    def forward(self, h: Float[Tensor, "N levels *shape"]) -> dist.TorchDistribution:
        return FloatCategorical(logits=self._levels_last(h)).to_event(len(self.shape))

    def start(self, mean: Float[Tensor, "*shape"]) -> Float[Tensor, "levels *shape"]:
        # The binomial with this mean: of the distributions of one pixel that are easily started at a mean.
        fraction = (mean / (self.levels - 1)).clamp(1e-2, 1 - 1e-2)
        level = torch.arange(self.levels).reshape(-1, *[1] * len(self.shape))
        return dist.Binomial(self.levels - 1, probs=fraction).log_prob(level.to(mean)).clamp(min=-10)

    def mean(self, h: Float[Tensor, "N levels *shape"]) -> Float[Tensor, "N *shape"]:
        probabilities = self._levels_last(h).softmax(-1)
        return probabilities @ torch.arange(self.levels, device=h.device, dtype=h.dtype)

    def _levels_last(self, h: Tensor) -> Tensor:
        return h.movedim(-1 - len(self.shape), -1)


class FloatCategorical(dist.Categorical):
    """A categorical whose samples are floats, as the data are, so that they can be encoded."""

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return super().sample(torch.Size(sample_shape)).to(self.logits.dtype)
