"""log p(x) = log ∫ p(z) p(x|z) dz by quadrature, for latents of one or two dimensions.

The midpoint rule on a grid of cells over all of u (z, unconstrained) converges faster than any power of the cell's width
for smooth integrands that vanish at infinity. So the box grows until doubling it changes nothing, and cells are halved
until halving changes nothing. Posteriors can be far narrower than the prior, each at its own place: halved are only the
cells that hold mass, for groups of data that lie close together.
"""

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import pyro
import torch
from jaxtyping import Float, Float64, Int
from pyro import poutine
from torch import Tensor

from evidence.estimate import Estimate
from evidence.estimate import Quadrature as Details
from evidence.joint import Joint
from evidence.section import Table, table
from evidence.weights import Batch, Program, as_batch, sum_log_probs

MAX_DIMENSIONS = 2
CELLS = {1: 256, 2: 64}
"""Along each axis of the first grid."""
SIZES = (1.0, 1.25, 1.5)
"""Of the box, as multiples of the first guess, in the search for one that holds all mass."""
GROUP = 128
"""Data that share cells."""
POINTS = 2**13
"""That the model is run on at once."""
MAX_POINTS = 2**18
MAX_HALVINGS = 16
DEPTH = 20.0
"""Nats below the best cell at which a cell is left as it is: e⁻²⁰ of the mass is nothing."""


@dataclass
class Lattice:
    """Cells of width `width` (dimensions,): u = origin + (index + ½)·width, at index (points, dimensions)."""

    origin: Float64[Tensor, " dimensions"]
    width: Float64[Tensor, " dimensions"]

    def centres(
        self, index: Int[Tensor, " points dimensions"]
    ) -> Float64[Tensor, " points dimensions"]:
        """u at the middle of each cell."""
        return self.origin + (index + 0.5) * self.width

    @property
    def log_volume(self) -> float:
        """Of one cell."""
        return float(self.width.log().sum())

    def halved(self) -> "Lattice":
        """Cells of half the width from the same origin: `children` are those of a cell's halves."""
        return Lattice(self.origin, self.width / 2)


@dataclass
class Section:
    """The model at some points: log p(z) with the Jacobian, and the function x ↦ log p(x|z)."""

    log_prior: Float64[Tensor, " points"]
    log_likelihood: Table

    def __call__(self, x: Float[Tensor, " N *shape"]) -> Float64[Tensor, " N points"]:
        return self.log_likelihood(x) + self.log_prior


@dataclass
class Quadrature:
    """The integrator of one model. Raises RequestError for a pair without per-datum weights."""

    model: Program
    joint: Joint
    tolerance: float
    cache: dict[tuple, list[Section]] = field(default_factory=dict)

    def section(self, u: Float64[Tensor, " points dimensions"]) -> Section:
        """One run of the model on the points: p(x|z) depends on z alone, any datum does to run it."""
        joint = self.joint
        values = u.to(joint.batch[0].dtype) if joint.batch[0].is_floating_point() else u
        latents = joint.latents(values)
        rows = tuple(part[:1].expand(len(u), *part.shape[1:]) for part in joint.batch)
        with pyro.validation_enabled(False):  # validated when the joint was made
            nodes: dict[str, Any] = (
                poutine.trace(poutine.condition(self.model, data=latents)).get_trace(*rows).nodes
            )
        log_prior = sum_log_probs(nodes[name] for name in latents) + joint.log_jacobian(values)
        return Section(log_prior, table(nodes[joint.observed]["fn"]))

    def values(
        self,
        x: Tensor,
        lattice: Lattice,
        index: Int[Tensor, " points dimensions"],
        keep: bool = False,
    ) -> Tensor:
        """log p(x, z) (N, points) at the cells. `keep` the decoded cells: the whole grid serves all groups."""
        key = (len(index), *lattice.width.tolist(), *lattice.origin.tolist())
        parts = lattice.centres(index).split(POINTS)
        if keep and key not in self.cache:
            self.cache[key] = [self.section(part) for part in parts]
        sections = self.cache[key] if keep else map(self.section, parts)
        return torch.cat([section(x) for section in sections], 1)

    def integrate(
        self, x: Float[Tensor, " N *shape"], box: Lattice, index: Tensor
    ) -> tuple[Tensor, Tensor, int]:
        """log p(x), what the last halving changed, both (N,), and the number of halvings, for data close together."""
        lattice, halvings = box, 0
        values = self.values(x, lattice, index, keep=True)
        estimate = values.logsumexp(1) + lattice.log_volume
        change = torch.full_like(estimate, math.inf)
        left = torch.arange(
            len(x), device=x.device
        )  # broad posteriors are done long before narrow ones
        while len(left) and halvings < MAX_HALVINGS:
            index = children(index[worth_halving(values, 2 ** index.shape[1])])
            lattice, halvings = lattice.halved(), halvings + 1
            values = self.values(x[left], lattice, index)
            finer = values.logsumexp(1) + lattice.log_volume
            before = change[left]
            change[left], estimate[left] = (finer - estimate[left]).abs(), finer
            # Two grids that are both too coarse can agree by chance. Once cells are narrow enough, halving takes an
            # error ε to about ε⁴ (for a normal), so an agreement counts only if the one before was nearly one.
            unfinished = (change[left] >= self.tolerance) | (before >= self.tolerance**0.25)
            left, values = left[unfinished], values[unfinished]
        return estimate, change, halvings


@torch.no_grad()
def quadrature(
    model: Program, guide: Program, x: Batch, tolerance: float = 1e-3
) -> Estimate | None:
    """log p(x) for every datum; None where the pair has more than two latent dimensions or p(x|z) depends on more than z.

    `details` holds the `error` (the mean over data of what the last halving of the cells changed, in nats), the
    `largest_error` of any datum, how many data are `exceeding` the tolerance, `outside`, the largest share of any p(x) that
    doubling the box would add, the box, and the width of the finest cells. The guide says only where to look first.
    """
    batch = as_batch(x)
    joint = Joint(model, guide, tuple(part[:1000] for part in batch))
    if joint.dimensions > MAX_DIMENSIONS or len(batch) > 1 or joint.bounded_by_data:
        return None
    solver = Quadrature(model, joint, tolerance)
    if not depends_on_z_alone(solver):
        return None
    data = batch[0]
    box, index, best, outside = find_box(solver, data)
    estimate, change = torch.empty_like(outside), torch.empty_like(outside)
    deepest, corners = (
        0,
        (box.origin + index.amin(0) * box.width, box.origin + (index.amax(0) + 1) * box.width),
    )
    for group in neighbours(best, torch.arange(len(data), device=best.device)):
        estimate[group], change[group], halvings = solver.integrate(data[group], box, index)
        deepest = max(deepest, halvings)
    details = Details(
        tolerance,
        error=float(change.mean()),
        largest_error=float(change.max()),
        exceeding=int((change > tolerance).sum()),
        outside=float(outside.max()),
        box=[[float(low), float(high)] for low, high in zip(corners[0], corners[1], strict=True)],
        finest_cell=[float(w) / 2**deepest for w in box.width],
    )
    return Estimate(estimate, "exact", details=details)


def find_box(solver: Quadrature, x: Tensor) -> tuple[Lattice, Tensor, Tensor, Tensor]:
    """The box that holds all mass, its cells, the best u for every datum (N, dimensions), and the share outside (N,)."""
    joint = solver.joint
    draws = torch.cat([joint.draw_guide(1), joint.draw_prior(1)]).double()
    low, high = draws.quantile(0.001, dim=0), draws.quantile(0.999, dim=0)
    cells = CELLS[joint.dimensions]
    middle, half = (low + high) / 2, 0.6 * (high - low)
    while True:
        lattice = Lattice(middle - 2 * half, 2 * half / cells)
        index = children(square(cells, joint.dimensions).to(x.device))  # the box of twice the size
        reach = (index + 0.5 - cells).abs().amax(1) * 2 / cells  # 1 at the sides of the box
        sizes = [reach < size for size in SIZES]
        best, outside = [], []
        for part in x.split(2 * GROUP):
            values = solver.values(part, lattice, index, keep=True)
            best.append(lattice.centres(index[values.argmax(1)]))
            total = values.logsumexp(1)
            outside.append(
                torch.stack([(values[:, ~inner].logsumexp(1) - total).exp() for inner in sizes])
            )
        solver.cache.clear()
        shares = torch.cat(outside, 1)
        for inner, share in zip(sizes, shares, strict=True):
            if float(share.max()) < solver.tolerance / 10:
                return lattice, index[inner], torch.cat(best), share
        half, cells = 2 * half, 2 * cells
        if (2 * cells) ** joint.dimensions > MAX_POINTS:
            raise ArithmeticError(
                f"p(x) has a share of {float(share.max()):.1e} beyond |u − {middle.tolist()}| < {half.tolist()}"
            )


def square(cells: int, dimensions: int) -> Int[Tensor, " points dimensions"]:
    """All indices of a grid with `cells` along each axis."""
    return torch.cartesian_prod(*[torch.arange(cells)] * dimensions).reshape(-1, dimensions)


def children(index: Int[Tensor, " points dimensions"]) -> Int[Tensor, " finer dimensions"]:
    """The cells that halving along every axis makes of each, next to each other."""
    corners = torch.tensor(
        list(itertools.product((0, 1), repeat=index.shape[1])), device=index.device
    )
    return (2 * index.unsqueeze(1) + corners).flatten(0, 1)


def worth_halving(values: Float64[Tensor, " N points"], siblings: int) -> Tensor:
    """The points (siblings next to each other) whose cells may hold mass of any datum.

    A peak can hide between points: where siblings differ by v nats, it is taken to be up to v above the higher one.
    """
    block = values.unflatten(1, (-1, siblings))
    highest, lowest = block.amax(2), block.amin(2)
    kept = (2 * highest - lowest > values.amax(1, keepdim=True) - DEPTH).any(0)
    return kept.repeat_interleave(siblings)


def neighbours(
    where: Float64[Tensor, " N dimensions"], which: Int[Tensor, " n"]
) -> list[Int[Tensor, " n"]]:
    """The data in groups that lie close together: halves along the longest side, until small."""
    if len(which) <= GROUP:
        return [which]
    spread = where[which].amax(0) - where[which].amin(0)
    ordered = which[where[which, int(spread.argmax())].argsort()]
    middle = len(which) // 2
    return neighbours(where, ordered[:middle]) + neighbours(where, ordered[middle:])


def depends_on_z_alone(solver: Quadrature) -> bool:
    """Whether a run on one datum's row gives the density of every other: checked on ten of them."""
    joint = solver.joint
    u = joint.draw_guide(1).double()[:10]
    small = Joint(solver.model, solver.joint.guide, tuple(part[:10] for part in joint.batch))
    prior, likelihood = small.model_terms(
        u.to(joint.batch[0].dtype) if joint.batch[0].is_floating_point() else u
    )
    expected = prior + likelihood
    found = solver.section(u)(small.batch[0]).diagonal()
    return bool(torch.allclose(found, expected, rtol=1e-4, atol=1e-3))
