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
from evidence.alone import looked_at
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

# How many data share cells; and how many of those whose mass needs all of the largest box.
GROUP, HEAVY = 128, 8

# How many data that the others' cells do not resolve get cells of their own.
APART = 32

# How many points a grid has at most.
MAX_POINTS = 2**18

# How many times the points of the first box are looked at for each datum, and run anew for each
# group of data: measured on several models of digits. A look is timed at few data; where that takes
# no LONG_LOOK seconds, at a group.
REFINED, REFINED_APART = 8, 4
TIMED_DATA, LONG_LOOK = 2, 0.05


class UnboundedMass(ArithmeticError):
    """The mass of one datum does not fall off towards the sides of the largest box."""

    def __init__(self, datum: int) -> None:
        super().__init__(
            f"that of datum {datum} does not fall off towards the sides of the largest box"
        )
        self.datum = datum


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
        datum any probability. Where the mass of a datum falls off so slowly that some lies beyond
        the largest box, that share is counted in the error.
        None if the latents have more than two dimensions, or some are discrete, if p(x|z) depends
        on more than z, or if the support of z depends on x.

        It is taken for granted that the mass of p(z|x) lies where draws of q(z|x) and of p(z) lead:
        in a box around them that grows while there is mass at its edges, and in no peak that is
        narrower than the first cells and has no slope there. A mode far beyond both programs' draws
        (a prior mass of 1e-19, say) is not seen, and not in the error either.

    Raises:
        ArithmeticError: if the mass of a datum does not fall off at all; it names the datum.
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence.example import guide, model, x
    >>> found = quadrature(model, guide, x)   # p(x) = N(x; 0, 2)
    >>> expected = torch.distributions.Normal(0.0, 2**0.5).log_prob(x[:, 0])
    >>> bool((found.per_datum - expected).abs().max() < 1e-3), found.details.exceeding
    (True, 0)
    """
    batch = Batch.of(x)
    joint = Joint(model, guide, batch.first(1000))
    apart = len(batch) > 1 or joint.bounded_by_data or joint.summed
    if joint.dimensions > MAX_DIMENSIONS or apart:
        return None
    looked_at(model, guide, batch)
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
        found, heavy = ~share.isnan(), share >= solver.tolerance
        if bool(share.isinf().any()):
            raise UnboundedMass(int(left[share.isinf()][0]))
        outside[left[found]] = share[found]
        groups = neighbors(best, torch.nonzero(found & ~heavy).flatten())
        groups += [few for few in torch.nonzero(heavy).flatten().split(HEAVY) if len(few)]
        for group in groups:
            rows = left[group]
            estimate[rows], change[rows], halvings = solver.integrate(data[rows], box, index)
            lost = solver.rounding(best[group], box.width / 2**halvings)
            change[rows] = change[rows].maximum(lost.where(lost > solver.tolerance, 0))
            deepest = max(deepest, halvings)
        change = change.maximum(torch.where(outside < solver.tolerance, 0.0, outside))
        # Data without any mass in a box that holds the others look for one of their own.
        left = left[~found] if bool(found.any()) else left[:0]
        solver.cache.clear()
        first, last = index.amin(0) * box.width, (index.amax(0) + 1) * box.width
        boxes.append(torch.stack([box.origin + first, box.origin + last], 1).tolist())
    rough = torch.nonzero(change > solver.tolerance).flatten()
    if len(data) > 1 and 0 < len(rough) <= APART:
        for row in rough.split(1):
            own, error = in_own_cells(solver, batch.rows(row), data[row])
            if error < change[row]:
                estimate[row], change[row] = own, error
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


def in_own_cells(
    solver: Integrator, batch: Batch, x: Shaped[Tensor, " one *shape"]
) -> tuple[float, float]:
    """Returns the integral of a datum in cells of its own, and its error: ∞ if it has none.

    A datum far away makes the cells that others share with it too wide for them.
    """
    own = Integrator(solver.model, Joint(solver.model, solver.joint.guide, batch), solver.tolerance)
    try:
        found = integrated(own, batch, x)
    except UnboundedMass:  # within the others' cells it had an integral
        return -math.inf, math.inf
    if found is None or not isinstance(found.details, Details) or found.details.exceeding:
        return -math.inf, math.inf
    return float(found.per_datum), found.details.largest_error


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
        best, outside, nearer = [], [], []
        for part in x.split(2 * GROUP):
            values = solver.values(part, lattice, index, keep=True)
            best.append(lattice.centers(index[values.argmax(1)]))
            total = values.logsumexp(1)
            # NaN, and so in no share, where no cell gives the datum any probability.
            beyond = [(values[:, ~inner].logsumexp(1) - total).exp() for inner in sizes]
            outside.append(torch.stack(beyond))
            nearer.append((values[:, reach >= 0.5].logsumexp(1) - total).exp())
        solver.cache.clear()
        shares = torch.cat(outside, 1)
        limit = (4 * cells) ** joint.dimensions > MAX_POINTS
        for inner, share in zip(sizes, shares, strict=True):
            known = share[share.isfinite()]
            if len(known) and bool((known < solver.tolerance / 10).all()):
                return lattice, index[inner], torch.cat(best), share
        if limit:
            return lattice, index, torch.cat(best), left_out(shares[0], torch.cat(nearer))
        half, cells = 2 * half, 2 * cells


def left_out(
    outside: Float64[Tensor, " N"], nearer: Float64[Tensor, " N"]
) -> Float64[Tensor, " N"]:
    """Returns the share of the mass that the largest box does not hold.

    Of its mass `outside` lies beyond half of it, and `nearer` beyond a quarter. Shells twice as far
    out hold a constant share of the mass before, where it falls off by a power, or less: what is
    beyond is a geometric series. It is infinite if shells do not fall off.
    """
    ratio = torch.where(outside > 0, outside / (nearer - outside), outside)
    return torch.where(ratio < 1, outside * ratio / (1 - ratio), outside + math.inf)


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
