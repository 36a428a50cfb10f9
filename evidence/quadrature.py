"""log p(x) = log ∫ p(z) p(x|z) dz by quadrature, for latents of one or two dimensions.

The midpoint rule on a grid of cells over all of u (z, unconstrained) converges faster than any
power of the cell's width for smooth integrands that vanish at infinity. So the box grows until
doubling it changes nothing, and cells are halved until halving changes nothing. Posteriors can be
far narrower than the prior, each at its own place: only the cells that hold mass are halved, for
groups of data that lie close together.
"""

import math
from functools import partial

import torch
from jaxtyping import Float64, Int, Shaped
from torch import Tensor

from evidence.alike import alike_at, observed_where_alike
from evidence.batch import Batch, Data
from evidence.cost import Cost, Meter, timed
from evidence.estimate import Estimate
from evidence.estimate import Quadrature as Details
from evidence.integrator import Integrator, Section
from evidence.joint import Joint
from evidence.lattice import Lattice, children, square
from evidence.noise import forked
from evidence.observed import observed_value
from evidence.structure import Program

MAX_DIMENSIONS = 2

# The number of cells along each axis of the first grid, by the number of dimensions.
CELLS = {1: 256, 2: 64}

# How many draws of q(z|x), and of p(z), at least, say where to look first.
FEWEST_DRAWS = 100

# Sizes of the box that are tried, as multiples of the first guess.
SIZES = (1.0, 1.25, 1.5)

# How many data share cells.
GROUP = 128

# How many points a grid has at most.
MAX_POINTS = 2**18

# How many times the points of the first box are looked at for each datum, and run anew for each
# group of data: measured on several models of digits. A look is timed at few data; where that takes
# no LONG_LOOK seconds, at a group.
REFINED, REFINED_APART = 8, 4
TIMED_DATA, LONG_LOOK = 2, 0.05


@torch.no_grad()
def quadrature(
    model: Program,
    guide: Program,
    x: Data,
    tolerance: float = 1e-3,
    meter: Meter | None = None,
) -> Estimate | None:
    """Returns log ∫ p(z) p(x|z) dz by the midpoint rule on a grid that is refined where mass is.

    Arguments:
        model: the program of p(x, z), called as `model(x)`.
        guide: the program of q(z|x), called in the same way; it says only where to look first.
        x: the data (N, *shape).
        tolerance: refine until halving the cells changes log p(x) by less, in nats.
        meter: is told how long this is going to take, before it begins, and how much is done.

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
    solver = Integrator(model, joint, tolerance, meter)
    if not depends_on_z_alone(solver):  # a look at ten data, which saves one at all
        return None
    data = observed_where_alike(joint, batch, tolerance)
    if data is None:
        return None
    if meter is not None:
        meter.expect(forecast(solver, data), [len(data)])
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


def forecast(solver: Integrator, x: Shaped[Tensor, " N *shape"]) -> Cost:
    """Returns what the integral of data like `x` costs, by a run on a few points and data.

    It costs more where the box has to grow.
    """
    joint = solver.joint
    first = (2 * CELLS[joint.dimensions]) ** joint.dimensions
    with forked(x.device, seed=0):
        u = joint.draw_prior(math.ceil(solver.points / joint.batch.size))[: solver.points].double()
    run, section = timed(lambda: solver.section(u))
    few = x[:TIMED_DATA]
    look, _ = timed(partial(_looked, section, few))
    if look < LONG_LOOK:
        few = x[:GROUP]
        look, _ = timed(partial(_looked, section, few))
    return Cost(
        nodes=REFINED * first,
        nodes_of_group=REFINED_APART * first,
        group=GROUP,
        run=run / len(u),
        look=look / (len(u) * len(few)),
    )


def _looked(section: Section, x: Tensor) -> float:
    return float(section(x).sum())  # which waits for the device


def depends_on_z_alone(solver: Integrator) -> bool:
    """Returns whether a run on one datum's row gives the density of ten others, too."""
    joint = solver.joint
    u = joint.draw_guide(1).double()[:10]
    small = Joint(solver.model, joint.guide, joint.batch.first(10))
    prior, likelihood = small.model_terms(joint.typed(u))
    observed = observed_value(small, small.latents(joint.typed(u)), small.batch)
    found = solver.section(u)(observed).diagonal()
    return bool(torch.allclose(found, prior + likelihood, rtol=1e-4, atol=1e-3))
