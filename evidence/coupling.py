"""Draws of p(z|x) for any data, without bias: two Markov chains that meet (Jacob et al. 2020).

A chain X that has run for k steps is not yet distributed as p(z|x). A second chain Y, made by the
same kernel from the same kind of start, follows L steps behind, and both draw from common noise, so
that they meet exactly, at X_τ = Y_{τ−L}. Then

    H = h(X_k) + Σ_{j ≥ 1, k + jL < τ} [h(X_{k+jL}) − h(Y_{k+(j−1)L})]

has the expectation E_{p(z|x)}[h], for any k and L (Jacob, O'Leary & Atchadé 2020, section 2; with a
lag, Biswas, Jacob & Vanetti 2019). With an upper bound for h that needs one exact draw, H is an
upper bound on log p(x) in expectation.

`evidence.kernel` has the kernel. Its step sizes and proposals are tuned on chains that are thrown
away. Chains start from q(z|x) and from p(z): always one from each.

That two chains have met says that the kernel has forgotten where these two started. A mode that
neither start leads to, nor any proposal, remains unseen.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from evidence.alone import looked_at
from evidence.batch import Data
from evidence.chunks import split_batch
from evidence.counts import whole
from evidence.draws import PosteriorDraws
from evidence.joint import Joint
from evidence.kernel import PROPOSALS, Kernel
from evidence.progress import Loop, steps
from evidence.structure import Latents, Program

# The longest lag that is chosen for most data. What takes longer gets lags of its own: many
# corrections of a chain in a wrong mode would add up.
LONGEST = 125
# Chains whose proposals fit meet in a few steps, and go on to look for what pilots did not find.
EARLIEST = 50
# Once the chains that have not met are a quarter of those that are run, the others stop.
FEWER = 4


@dataclass(frozen=True)
class Coupling:
    """How chains are coupled: `leapfrogs` per step, and at most so many steps.

    `lag` L and `burn_in` k are chosen from the meeting times of other chains if they are None: the
    lag is the longest of those, and the burn-in twice that, or 50 steps. Data whose other chains
    took more than 125 steps have a lag of their own.

    Raises ValueError for a number out of its range.
    """

    leapfrogs: int = 5
    most_steps: int = 5000
    lag: int | None = None
    burn_in: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("leapfrogs", 1), ("most_steps", 1), ("lag", 1), ("burn_in", 0)):
            value = vars(self)[name]
            if value is not None:
                whole(name, value, least)


@torch.no_grad()
def posterior_draws(
    model: Program, guide: Program, x: Data, plan: Coupling | None = None
) -> PosteriorDraws:
    """Draws from p(z|x) for every datum by coupled chains, with their corrections.

    Arguments:
        model: the program of p(x, z), called as `model(x)`, or as `model(x, y, …)`.
        guide: the program of q(z|x), called in the same way. It gives starts and scales.
        x: the data (N, *shape), or (x, y, …) where the programs take more than x.
        plan: how to couple; see `Coupling`.

    Returns:
        Draws, corrections and meeting times.

    Raises:
        UnsupportedPair: if the pair has no per-datum weights (see `log_weights`).

    >>> from evidence import iw_eubo
    >>> from evidence.example import guide, model, x
    >>> draws = posterior_draws(model, guide, x)
    >>> draws.never_met, draws.upper(lambda x, z: iw_eubo(model, guide, x, z, 100)).kind
    (0, 'upper')
    """
    plan, batch = plan or Coupling(), looked_at(model, guide, x)
    parts, most = list(split_batch(batch, PROPOSALS, model)), plan.most_steps
    pilot = plan.lag is None or plan.burn_in is None
    with Loop(loops=3 if pilot else 2):
        joints = [Joint(model, guide, part) for part in parts]
        kernels = [Kernel(joint, plan.leapfrogs) for joint in steps(joints)]
        lag = torch.ones(batch.size, dtype=torch.long, device=batch.device)
        if pilot:
            pilots = [coupled_chains(kernel, 1, 0, most) for kernel in steps(kernels)]
            lag = _lags(torch.cat([pilot.meeting for pilot in pilots]), most)
        chosen = (2 * lag).clamp(min=EARLIEST)
        burn_in = chosen if plan.burn_in is None else torch.full_like(lag, plan.burn_in)
        lag = lag if plan.lag is None else torch.full_like(lag, plan.lag)
        each = [part.size for part in parts]
        timed = list(zip(kernels, lag.split(each), burn_in.split(each), strict=True))
        runs = [_run(kernel, lags, burnt, most) for kernel, lags, burnt in steps(timed)]
    starts = torch.tensor([0, *each]).cumsum(0)
    rows = [run.rows + start for run, start in zip(runs, starts, strict=False)]
    return PosteriorDraws(
        batch,
        _joined([run.latents for run in runs]),
        _joined([run.corrections for run in runs]),
        torch.cat(rows),
        torch.cat([run.signs for run in runs]),
        torch.cat([run.meeting for run in runs]),
        lag,
        burn_in,
    )


def _lags(meeting: Float64[Tensor, " N"], most_steps: int) -> Int[Tensor, " N"]:
    """Returns the longest meeting time of most data, and for those that took long that of these."""
    slow = meeting > LONGEST
    lag = torch.full_like(meeting, float(meeting[~slow].max()) if not slow.all() else LONGEST)
    lag[slow] = meeting[slow].clamp(max=max(LONGEST, most_steps // 4)).max() if slow.any() else 0
    return lag.long()


def _run(
    kernel: Kernel, lag: Int[Tensor, " N"], burn_in: Int[Tensor, " N"], most_steps: int
) -> PosteriorDraws:
    """Runs the chains of each datum with its own lag, which is one of a few."""
    first, *others = [
        (int(value), lag == value, int(burn_in[lag == value][0])) for value in lag.unique()
    ]
    drawn = coupled_chains(kernel, first[0], first[2], most_steps, first[1])
    for value, mine, burnt in others:
        (which,) = torch.nonzero(mine, as_tuple=True)
        drawn = drawn.replaced(which, coupled_chains(kernel.of(which), value, burnt, most_steps))
    return drawn


def coupled_chains(
    kernel: Kernel,
    lag: int,
    burn_in: int,
    most_steps: int,
    wanted: Bool[Tensor, " N"] | None = None,
) -> PosteriorDraws:
    """Runs two chains for every datum until they have met, `burn_in` steps at least.

    It does not wait for data that are not `wanted`.
    """
    joint = kernel.path.joint
    ahead, behind = kernel.starts()
    met = torch.zeros(joint.batch.size, dtype=torch.bool, device=ahead.u.device)
    meeting = torch.full_like(ahead.log_joint, math.inf)
    wanted = torch.ones_like(met) if wanted is None else wanted
    left = torch.arange(len(met), device=met.device)
    none = left[:0]
    drawn, kept, rows, signs = ahead.u, [_picked(joint.latents(ahead.u), none)], [none], []
    for t in steps(range(1, max(most_steps, burn_in) + 1), "step of the chains"):
        if t <= lag or bool((met | ~wanted).all()):
            ahead = kernel.alone(ahead)
        else:
            ahead, behind, same = kernel.coupled(ahead, behind)
            meeting[left[same & ~met[left]]] = t
            met[left] |= same
            behind = ahead.where(met[left], behind)  # once met, they are one chain
        if t == burn_in:
            drawn = ahead.u
        (late,) = torch.nonzero((~met & wanted)[left], as_tuple=True)
        if t > burn_in and (t - burn_in) % lag == 0:
            here = kernel.path.joint
            kept += [_picked(here.latents(point.u), late) for point in (ahead, behind)]
            rows += [left[late], left[late]]
            signs += [torch.ones_like(meeting[late]), -torch.ones_like(meeting[late])]
        if t >= burn_in and len(late) == 0:
            break
        if t >= burn_in and len(late) * FEWER <= len(left):  # the others have nothing more to do
            kernel, left = kernel.of(late), left[late]
            ahead, behind = ahead.rows(late), behind.rows(late)
    return PosteriorDraws(
        joint.batch,
        joint.latents(drawn),
        _joined(kept),
        torch.cat(rows),
        torch.cat([meeting[:0], *signs]),
        meeting,
        torch.full_like(met, lag, dtype=torch.long),
        torch.full_like(met, burn_in, dtype=torch.long),
    )


def _picked(latents: Latents, rows: Int[Tensor, " picked"]) -> Latents:
    return {name: z[rows] for name, z in latents.items()}


def _joined(parts: list[Latents]) -> Latents:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
