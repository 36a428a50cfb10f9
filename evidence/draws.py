"""Draws of p(z|x) by coupled chains, and expectations under it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from evidence.batch import Batch
from evidence.estimate import Coupled, Estimate
from evidence.structure import Latents


@dataclass(frozen=True)
class PosteriorDraws:
    """A draw of p(z|x) for every datum comes with what takes away the bias that it still has.

    `latents` are X_k by site name, (N, *event). `corrections` are draws too, one for every entry of
    `rows`, which says of which datum, and of `signs`: they are X_{k+jL} (+1) and Y_{k+(j−1)L} (−1)
    of the chains that met late. `meeting` is τ for every datum, infinite where the chains have
    not met within the steps that they had; `lag` and `burn_in` are L and k of every datum.
    """

    x: Batch
    latents: Latents
    corrections: Latents
    rows: Int[Tensor, " corrections"]
    signs: Float64[Tensor, " corrections"]
    meeting: Float64[Tensor, " N"]
    lag: Int[Tensor, " N"]
    burn_in: Int[Tensor, " N"]

    @property
    def never_met(self) -> int:
        """The number of data whose chains have not met: their expectations are not known."""
        return int(self.meeting.isinf().sum())

    @property
    def total_variation(self) -> float:
        """A bound on the distance of X_k from p(z|x), averaged over the data.

        E[max(0, ⌈(τ − L − k)/L⌉)] (Biswas et al. 2019, theorem 2.5), by the chains at hand.
        """
        late = ((self.meeting - self.lag - self.burn_in) / self.lag).ceil().clamp(min=0)
        return float(late.mean())

    def replaced(self, which: Int[Tensor, " some"], other: "PosteriorDraws") -> "PosteriorDraws":
        """Returns these draws with those of `other` for the data `which`, without corrections here.

        Raises ValueError if there are corrections of these data already.
        """
        if bool(torch.isin(self.rows, which).any()):
            raise ValueError("which: these data have corrections already")
        return PosteriorDraws(
            self.x,
            {name: z.index_copy(0, which, other.latents[name]) for name, z in self.latents.items()},
            {name: torch.cat([z, other.corrections[name]]) for name, z in self.corrections.items()},
            torch.cat([self.rows, which[other.rows]]),
            torch.cat([self.signs, other.signs]),
            self.meeting.index_copy(0, which, other.meeting),
            self.lag.index_copy(0, which, other.lag),
            self.burn_in.index_copy(0, which, other.burn_in),
        )

    def expectation(
        self, h: Callable[[Batch, Latents], Float64[Tensor, " rows"]]
    ) -> Float64[Tensor, " N"]:
        """Returns H for every datum: E[H] = E_{p(z|x)}[h(x, z)].

        Arguments:
            h: A function of data and as many draws, which draws fresh noise if any.

        Returns:
            H (N,) float64, infinite for data whose chains have not met.
        """
        every = torch.cat([torch.arange(self.x.size, device=self.rows.device), self.rows])
        drawn = {name: torch.cat([z, self.corrections[name]]) for name, z in self.latents.items()}
        values = h(self.x.rows(every), drawn).double()
        found = values[: self.x.size].clone()
        found.index_add_(0, self.rows, self.signs * values[self.x.size :])
        found[self.meeting.isinf()] = math.inf
        return found

    def upper(self, bound: Callable[[Batch, Latents], Estimate]) -> Estimate:
        """Returns an upper bound on log p(x) for every datum, from one that needs an exact draw.

        The expectation of each value is no less than log p(x); a single value may be.

        Arguments:
            bound: `eubo`, `iw_eubo` or `reverse_ais` of a pair, as a function of (x, exact_draw).

        Raises:
            ValueError: `bound` is no upper bound.
        """
        kinds: list[Estimate] = []

        def h(x: Batch, latents: Latents) -> Tensor:
            kinds.append(bound(x, latents))
            return kinds[-1].per_datum

        values = self.expectation(h)
        (estimate,) = kinds
        if estimate.kind != "upper":
            raise ValueError(f"bound is of the kind {estimate.kind!r}: give an upper bound")
        late = len(self.rows.unique())
        details = Coupled(
            int(self.lag.max()),
            int(self.burn_in.max()),
            late,
            self.never_met,
            self.total_variation,
            estimate.details,
        )
        return Estimate(values, "upper", estimate.particles, details)
