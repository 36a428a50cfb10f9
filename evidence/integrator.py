"""The midpoint rule of one model: p(x, z) at the cells of a lattice, halved where mass is."""

import math
from dataclasses import dataclass, field

import pyro
import torch
from jaxtyping import Bool, Float64, Int, Shaped
from torch import Tensor

from evidence.batch import Batch
from evidence.cost import Meter
from evidence.joint import Joint
from evidence.lattice import Lattice, children
from evidence.section import Table, table
from evidence.structure import Program, at, log_prob_of, only

# How many points the model is run on at once, if they have no more dimensions of x than NUMBERS all
# together; and how many such numbers are kept for all groups.
POINTS, NUMBERS, KEPT = 2**13, 2**23, 2**27
MAX_HALVINGS = 16

# A cell this many nats below the best one is not halved: e⁻²⁰ of the mass is nothing.
DEPTH = 20.0


@dataclass
class Section:
    """The model at some points: log p(z) with the Jacobian, and the function x ↦ log p(x|z)."""

    log_prior: Float64[Tensor, " points"]
    log_likelihood: Table

    def __call__(self, x: Shaped[Tensor, " N *shape"]) -> Float64[Tensor, " N points"]:
        return self.log_likelihood(x) + self.log_prior


@dataclass
class Integrator:
    """Integrates one joint; `cache` holds the sections of the grid that all data share.

    `meter` is told how many data times points are done.
    """

    model: Program
    joint: Joint
    tolerance: float
    meter: Meter | None = None
    cache: dict[tuple[float, ...], list[Section]] = field(default_factory=dict)

    @property
    def dimensions_of_x(self) -> int:
        """How many numbers a datum has."""
        return max(1, self.joint.batch.x[0].numel())

    @property
    def points(self) -> int:
        """How many points the model is run on at once."""
        return min(POINTS, max(1, NUMBERS // self.dimensions_of_x))

    def section(self, u: Float64[Tensor, " points dimensions"]) -> Section:
        """Runs the model on the points, with any datum: p(x|z) depends on z alone."""
        joint = self.joint
        values = joint.typed(u)
        latents = joint.latents(values)
        rows = Batch(part[:1].expand(len(u), *part.shape[1:]) for part in joint.batch)
        with pyro.validation_enabled(False):  # validated when the joint was made
            trace = at(self.model, latents, rows)
        log_prior = log_prob_of(trace, latents) + joint.log_jacobian(values)
        return Section(log_prior, table(only(joint.observed, trace)["fn"]))

    def rounding(
        self, u: Float64[Tensor, " points dimensions"], width: Float64[Tensor, " dimensions"]
    ) -> Float64[Tensor, " points"]:
        """Returns the nats that the latents' precision costs at `u`, in cells of that width.

        Their log-density has an error in proportion to itself. Where latents so large are farther
        apart than cells are, all points of a cell are one, and the error has no bound.
        """
        eps = torch.finfo(self.joint.typed(u).dtype).eps
        log_prior = torch.cat([self.section(part).log_prior for part in u.split(self.points)])
        return (4 * eps * log_prior.abs()).where((4 * u.abs() * eps < width).all(1), math.inf)

    def values(
        self,
        x: Shaped[Tensor, " N *shape"],
        lattice: Lattice,
        index: Int[Tensor, " points dimensions"],
        keep: bool = False,
    ) -> Float64[Tensor, " N points"]:
        """Returns log p(x, z) at the cells; `keep` their sections where all groups use them."""
        key = (len(index), *lattice.width.tolist(), *lattice.origin.tolist())
        parts = lattice.centers(index).split(self.points)
        keep = keep and len(index) * self.dimensions_of_x <= KEPT
        if keep and key not in self.cache:
            self.cache[key] = [self.section(part) for part in parts]
        found = []
        for section in self.cache[key] if keep else map(self.section, parts):
            found.append(section(x))
            if self.meter is not None:
                self.meter.did(found[-1].numel())
        return torch.cat(found, 1)

    def integrate(
        self,
        x: Shaped[Tensor, " N *shape"],
        box: Lattice,
        index: Int[Tensor, " points dimensions"],
    ) -> tuple[Float64[Tensor, " N"], Float64[Tensor, " N"], int]:
        """Returns log p(x) of data that lie close together, what the last halving changed of each,
        and the number of halvings.
        """
        lattice, halvings = box, 0
        values = self.values(x, lattice, index, keep=True)
        estimate = values.logsumexp(1) + lattice.log_volume
        change = torch.full_like(estimate, math.inf)
        # Broad posteriors are done long before narrow ones: `left` are the data that are not.
        left = torch.arange(len(x), device=x.device)
        while len(left) and halvings < MAX_HALVINGS:
            index = children(index[worth_halving(values, 2 ** index.shape[1])])
            lattice, halvings = lattice.halved(), halvings + 1
            values = self.values(x[left], lattice, index)
            finer = values.logsumexp(1) + lattice.log_volume
            before = change[left]
            change[left], estimate[left] = (finer - estimate[left]).abs(), finer
            # Two grids that are both too coarse can agree by chance. Once cells are narrow enough,
            # halving takes an error ε to about ε⁴ (for a normal), so an agreement counts only if
            # the one before was nearly one.
            unfinished = (change[left] >= self.tolerance) | (before >= self.tolerance**0.25)
            left, values = left[unfinished], values[unfinished]
        return estimate, change, halvings


def worth_halving(values: Float64[Tensor, " N points"], siblings: int) -> Bool[Tensor, " points"]:
    """Returns which points, siblings next to each other, may hold mass of any datum.

    A peak can hide between points. Where siblings differ by v nats, it is taken to be up to v above
    the higher one.
    """
    block = values.unflatten(1, (-1, siblings))
    highest, lowest = block.amax(2), block.amin(2)
    kept = (2 * highest - lowest > values.amax(1, keepdim=True) - DEPTH).any(0)
    return kept.repeat_interleave(siblings)
