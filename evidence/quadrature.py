"""log p(x) = log ∫ p(z) p(x|z) dz by quadrature, for latents of one or two dimensions.

The midpoint rule on a grid of cells over all of u (z, unconstrained) converges faster than any
power of the cell's width for smooth integrands that vanish at infinity. So the box grows until
doubling it changes nothing, and cells are halved until halving changes nothing. Posteriors can be
far narrower than the prior, each at its own place: only the cells that hold mass are halved, for
groups of data that lie close together.
"""

import math
from dataclasses import dataclass, field

import pyro
import torch
from jaxtyping import Bool, Float64, Int, Shaped
from torch import Tensor

from evidence.alike import alike_at, observed_where_alike
from evidence.batch import Batch, Data
from evidence.estimate import Estimate
from evidence.estimate import Quadrature as Details
from evidence.joint import Joint
from evidence.lattice import Lattice, children, square
from evidence.observed import observed_value
from evidence.section import Table, table
from evidence.structure import Program, at, log_prob_of, site_of

MAX_DIMENSIONS = 2

# The number of cells along each axis of the first grid, by the number of dimensions.
CELLS = {1: 256, 2: 64}

# How many draws of q(z|x), and of p(z), at least, say where to look first.
FEWEST_DRAWS = 100

# Sizes of the box that are tried, as multiples of the first guess.
SIZES = (1.0, 1.25, 1.5)

# How many data share cells.
GROUP = 128

# How many points the model is run on at once, and how many a grid has at most.
POINTS = 2**13
MAX_POINTS = 2**18
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
    """Integrates one joint; `cache` holds the sections of the grid that all data share."""

    model: Program
    joint: Joint
    tolerance: float
    cache: dict[tuple[float, ...], list[Section]] = field(default_factory=dict)

    def section(self, u: Float64[Tensor, " points dimensions"]) -> Section:
        """Runs the model on the points, with any datum: p(x|z) depends on z alone."""
        joint = self.joint
        values = joint.typed(u)
        latents = joint.latents(values)
        rows = Batch(part[:1].expand(len(u), *part.shape[1:]) for part in joint.batch)
        with pyro.validation_enabled(False):  # validated when the joint was made
            trace = at(self.model, latents, rows)
        log_prior = log_prob_of(trace, latents) + joint.log_jacobian(values)
        return Section(log_prior, table(site_of(trace, joint.observed)["fn"]))

    def values(
        self,
        x: Shaped[Tensor, " N *shape"],
        lattice: Lattice,
        index: Int[Tensor, " points dimensions"],
        keep: bool = False,
    ) -> Float64[Tensor, " N points"]:
        """Returns log p(x, z) at the cells; `keep` their sections where all groups use them."""
        key = (len(index), *lattice.width.tolist(), *lattice.origin.tolist())
        parts = lattice.centers(index).split(POINTS)
        if keep and key not in self.cache:
            self.cache[key] = [self.section(part) for part in parts]
        sections = self.cache[key] if keep else map(self.section, parts)
        return torch.cat([section(x) for section in sections], 1)

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


@torch.no_grad()
def quadrature(model: Program, guide: Program, x: Data, tolerance: float = 1e-3) -> Estimate | None:
    """Returns log ∫ p(z) p(x|z) dz by the midpoint rule on a grid that is refined where mass is.

    Arguments:
        model: the program of p(x, z), called as `model(x)`.
        guide: the program of q(z|x), called in the same way; it says only where to look first.
        x: the data (N, *shape).
        tolerance: refine until halving the cells changes log p(x) by less, in nats.

    Returns:
        log p(x) for every datum, with its error in `details` (see `evidence.estimate.Quadrature`).
        It is −∞, and counted as exceeding the tolerance, where no z in the largest box gives the
        datum any probability.
        None if the latents have more than two dimensions, if p(x|z) depends on more than z, or if
        the support of z depends on x.

    Raises:
        ArithmeticError: if no box holds the mass of all data.
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence.example import guide, model, x
    >>> found = quadrature(model, guide, x)   # p(x) = N(x; 0, 2)
    >>> expected = torch.distributions.Normal(0.0, 2**0.5).log_prob(x[:, 0])
    >>> bool((found.per_datum - expected).abs().max() < 1e-3), found.details.exceeding
    (True, 0)
    """
    batch = Batch.of(x)
    joint = Joint(model, guide, batch.first(1000))
    if joint.dimensions > MAX_DIMENSIONS or len(batch) > 1 or joint.bounded_by_data:
        return None
    solver = Integrator(model, joint, tolerance)
    if not depends_on_z_alone(solver):  # a look at ten data, which saves one at all
        return None
    data = observed_where_alike(joint, batch, tolerance)
    if data is None:
        return None
    return integrated(solver, batch, data)


def integrated(solver: Integrator, batch: Batch, data: Tensor) -> Estimate | None:
    """Returns log p(x) of all data, each in the first box that holds any of its mass."""
    estimate = data.new_full((len(data),), -math.inf, dtype=torch.float64)
    change, outside = torch.full_like(estimate, math.inf), torch.zeros_like(estimate)
    boxes, deepest = [], 0
    left = torch.arange(len(data), device=data.device)
    while len(left):
        box, index, best, share = find_box(solver, data[left])
        typed = solver.joint.typed(best)
        if not alike_at(solver.joint, batch.rows(left), typed, solver.tolerance):
            return None
        found = share.isfinite()
        outside[left[found]] = share[found]
        for group in neighbors(best, torch.nonzero(found).flatten()):
            rows = left[group]
            estimate[rows], change[rows], halvings = solver.integrate(data[rows], box, index)
            deepest = max(deepest, halvings)
        # Data without any mass in a box that holds the others look for one of their own.
        left = left[~found] if bool(found.any()) else left[:0]
        solver.cache.clear()
        first, last = index.amin(0) * box.width, (index.amax(0) + 1) * box.width
        boxes.append(torch.stack([box.origin + first, box.origin + last], 1).tolist())
    known = change[estimate > -math.inf]
    details = Details(
        tolerance=solver.tolerance,
        error=float(known.mean()) if len(known) else 0.0,
        largest_error=float(known.max()) if len(known) else 0.0,
        exceeding=int((change > solver.tolerance).sum()),
        outside=float(outside.max()),
        box=boxes[0],
        finest_cell=[width / 2**deepest for width in box.width.tolist()],
    )
    return Estimate(estimate, "exact", details=details)


def find_box(
    solver: Integrator, x: Shaped[Tensor, " N *shape"]
) -> tuple[
    Lattice,
    Int[Tensor, " points dimensions"],
    Float64[Tensor, " N dimensions"],
    Float64[Tensor, " N"],
]:
    """Returns the box of all mass, its cells, and per datum the best u and the share outside."""
    joint = solver.joint
    count = math.ceil(FEWEST_DRAWS / joint.batch.size)
    draws = torch.cat([joint.draw_guide(count), joint.draw_prior(count)]).double()
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
            best.append(lattice.centers(index[values.argmax(1)]))
            total = values.logsumexp(1)
            # NaN, and so in no share, where no cell gives the datum any probability.
            beyond = [(values[:, ~inner].logsumexp(1) - total).exp() for inner in sizes]
            outside.append(torch.stack(beyond))
        solver.cache.clear()
        shares = torch.cat(outside, 1)
        limit = (4 * cells) ** joint.dimensions > MAX_POINTS
        for inner, share in zip(sizes, shares, strict=True):
            known = share[share.isfinite()]
            if (len(known) or limit) and bool((known < solver.tolerance / 10).all()):
                return lattice, index[inner], torch.cat(best), share
        half, cells = 2 * half, 2 * cells
        if limit:
            raise ArithmeticError(
                f"p(x) has a share of {float(known.max()):.1e} "
                f"beyond |u − {middle.tolist()}| < {half.tolist()}"
            )


def worth_halving(values: Float64[Tensor, " N points"], siblings: int) -> Bool[Tensor, " points"]:
    """Returns which points, siblings next to each other, may hold mass of any datum.

    A peak can hide between points. Where siblings differ by v nats, it is taken to be up to v above
    the higher one.
    """
    block = values.unflatten(1, (-1, siblings))
    highest, lowest = block.amax(2), block.amin(2)
    kept = (2 * highest - lowest > values.amax(1, keepdim=True) - DEPTH).any(0)
    return kept.repeat_interleave(siblings)


def neighbors(
    where: Float64[Tensor, " N dimensions"], which: Int[Tensor, " n"]
) -> list[Int[Tensor, " _"]]:
    """Returns the data in groups that lie close together: halves along the longest side."""
    if len(which) <= GROUP:
        return [which] if len(which) else []
    spread = where[which].amax(0) - where[which].amin(0)
    ordered = which[where[which, int(spread.argmax())].argsort()]
    middle = len(which) // 2
    return neighbors(where, ordered[:middle]) + neighbors(where, ordered[middle:])


def depends_on_z_alone(solver: Integrator) -> bool:
    """Returns whether a run on one datum's row gives the density of ten others, too."""
    joint = solver.joint
    u = joint.draw_guide(1).double()[:10]
    small = Joint(solver.model, joint.guide, joint.batch.first(10))
    prior, likelihood = small.model_terms(joint.typed(u))
    observed = observed_value(small, small.latents(joint.typed(u)), small.batch)
    found = solver.section(u)(observed).diagonal()
    return bool(torch.allclose(found, prior + likelihood, rtol=1e-4, atol=1e-3))
