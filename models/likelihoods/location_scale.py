"""What likelihoods on ℝ share: a location h, and a scale that is given, learned or predicted."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.distributions import Distribution, InDouble
from models.distributions.softplus import inverse_softplus, positive
from models.likelihoods.base import Likelihood

START_SCALE = 0.5
UNQUANTISED_FLOOR = 1e-3


class LocationScale(Likelihood, ABC):
    """Independent dimensions with location h and a scale σ, in the units of x.

    A scale that is not given has a floor, the width of one grey level: below it a density grows
    without bound on atoms of the data (Mattei & Frellsen 2018).

    Arguments:
        shape: the shape of one datum.
        quantum: the width of one grey level, or None if the data are not quantised; the floor is
            then 0.001.
        scale: a positive number; or `learned`, one number for all dimensions; `per_dimension`, one
            for each; `predicted`, σ(z), a second output of the decoder.
    """

    raw_scale: Tensor
    fixed_scale: Tensor
    unit: Tensor | None
    scales: ClassVar[tuple[str, ...]] = ("learned", "per_dimension", "predicted")
    spaces = ("unit", "real")

    def __init__(self, shape: tuple[int, ...], quantum: float | None, scale: float | str) -> None:
        super().__init__(shape, parameters_per_dimension=2 if scale == "predicted" else 1)
        self.kind = scale if isinstance(scale, str) else "fixed"
        self.floor = UNQUANTISED_FLOOR if quantum is None else quantum
        self.quantised = quantum is not None
        if not (scale in self.scales if isinstance(scale, str) else 0 < scale < math.inf):
            named = ", ".join(self.scales)
            raise ValueError(f"scale={scale}: must be a positive number or one of {named}")
        if self.kind in ("learned", "per_dimension"):
            size = () if self.kind == "learned" else self.shape
            self.raw_scale = nn.Parameter(torch.full(size, inverse_softplus(START_SCALE)))
        elif self.kind == "fixed":
            self.register_buffer("fixed_scale", torch.tensor(float(scale), dtype=torch.float64))
        self.register_buffer("unit", None)

    @property
    def has_location(self) -> bool:
        return True

    def in_units(self, sd: Float[Tensor, " *shape"]) -> None:
        """Sets the unit of σ: of one σ for all dimensions, the root of their mean variance."""
        several = self.kind in ("per_dimension", "predicted")
        self.unit = sd.clone() if several else sd.double().square().mean().sqrt().float()

    @abstractmethod
    def each(self, h: Float[Tensor, " N *parameter_shape"]) -> Distribution:
        """Returns the distribution of every dimension, in the precision of h."""

    def forward(self, h: Float[Tensor, " N *parameter_shape"]) -> Distribution:
        return InDouble(self.each, h, len(self.shape))

    def location_and_scale(
        self, h: Float[Tensor, " N *parameter_shape"]
    ) -> tuple[Float[Tensor, " N *shape"], Float[Tensor, " *scale"]]:
        """Returns the location, and σ in a shape that broadcasts with it."""
        if self.kind == "predicted":
            location, raw_scale = self.unbind(h)
            return location, self._with_unit(self.floor + positive(raw_scale))
        if self.kind == "fixed":
            return h, self.fixed_scale.to(h.dtype)
        return h, self._with_unit(self.floor + positive(self.raw_scale.to(h.dtype)))

    def _with_unit(self, scale: Float[Tensor, " *scale"]) -> Float[Tensor, " *scale"]:
        return scale if self.unit is None else self.unit.to(scale.dtype) * scale

    def start(self, mean: Float[Tensor, " *shape"]) -> Float[Tensor, " *parameter_shape"]:
        if self.kind == "predicted":
            return torch.stack([mean, torch.full_like(mean, inverse_softplus(START_SCALE))])
        return mean

    def mean(self, h: Float[Tensor, " N *parameter_shape"]) -> Float[Tensor, " N *shape"]:
        return self.unbind(h)[0] if self.kind == "predicted" else h

    @property
    def note(self) -> str | None:
        if self.kind == "fixed":
            given = f"the scale {self.fixed_scale:.3g} of the likelihood is that of every column"
            learned = "in its own units; scale=per_dimension learns one for each"
            return None if self.unit is None else f"{given}, {learned}"
        why = "one grey level of the data" if self.quantised else "the data are not quantised"
        if self.unit is not None and self.kind != "optimal":
            why = "in standard deviations of the training data"
        floor = f"the {self.kind} scale of the likelihood has the floor {self.floor:.3g} ({why})"
        if self.unit is None or self.unit.dim():
            return floor
        return f"{floor}; it is one for all columns, scale=per_dimension has one for each"
