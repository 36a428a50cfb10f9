"""Draws of p(z|x) for any data, without bias: two Markov chains that meet (Jacob et al. 2020).

A chain X that has run for k steps is not yet distributed as p(z|x). A second chain Y, made by the
same kernel from the same kind of start, follows L steps behind, and both draw from common noise, so
that they meet exactly, at X_τ = Y_{τ−L}. Then

    H = h(X_k) + Σ_{j ≥ 1, k + jL < τ} [h(X_{k+jL}) − h(Y_{k+(j−1)L})]

has the expectation E_{p(z|x)}[h], for any k and L (Jacob, O'Leary & Atchadé 2020, section 2; with a
lag, Biswas, Jacob & Vanetti 2019). With an upper bound for h that needs one exact draw, H is an
upper bound on log p(x) in expectation.

The kernel is a Hamiltonian step with common momenta, which brings the chains close (Heng & Jacob
2019), and then a step of a random walk whose proposals coincide as often as they can (the
reflection-maximal coupling; Bou-Rabee, Eberle & Zimmer 2020), which makes them meet. Step sizes are
tuned on chains that are thrown away. Chains start from q(z|x) and from p(z): always one from each.

That two chains have met says that the kernel has forgotten where these two started. A mode that
neither start leads to remains unseen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from evidence.batch import Batch, Data
from evidence.chunks import split_batch
from evidence.estimate import Coupled, Estimate
from evidence.hmc import Noise, Path, Point, transition
from evidence.joint import Joint
from evidence.progress import Loop, steps
from evidence.structure import Latents, Program
from evidence.unsupported import UnsupportedPair

# How step sizes are tuned: towards this acceptance probability, by this much per step and unit of
# its error, over so many steps, of which the second half is averaged.
TARGET_ACCEPTANCE = 0.9
ADAPTATION = 0.1
TUNING_STEPS = 100
FIRST_STEP = 0.2
# The random walk's standard deviation, and a Hamiltonian step's, are in units of the guide's
# standard deviations, which are taken from so many draws.
WALK = 0.05
SCALE_DRAWS = 100


@dataclass(frozen=True)
class Coupling:
    """How chains are coupled: `leapfrogs` per step, and at most so many steps.

    `lag` L and `burn_in` k are chosen from the meeting times of other chains if they are None: the
    lag is the longest of those, and the burn-in twice that.

    Raises ValueError for a number out of its range.
    """

    leapfrogs: int = 5
    most_steps: int = 500
    lag: int | None = None
    burn_in: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("leapfrogs", 1), ("most_steps", 1), ("lag", 1), ("burn_in", 0)):
            value = vars(self)[name]
            if value is not None and value < least:
                raise ValueError(f"{name}={value}: must be at least {least}")


@dataclass(frozen=True)
class PosteriorDraws:
    """A draw of p(z|x) for every datum comes with what takes away the bias that it still has.

    `latents` are X_k by site name, (N, *event). `corrections` are draws too, one for every entry of
    `rows`, which says of which datum, and of `signs`: they are X_{k+jL} (+1) and Y_{k+(j−1)L} (−1)
    of the chains that met late. `meeting` is τ for every datum, infinite where the chains have
    not met within the steps that they had.
    """

    x: Batch
    latents: Latents
    corrections: Latents
    rows: Int[Tensor, " corrections"]
    signs: Float64[Tensor, " corrections"]
    meeting: Float64[Tensor, " N"]
    lag: int
    burn_in: int

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
            self.lag, self.burn_in, late, self.never_met, self.total_variation, estimate.details
        )
        return Estimate(values, "upper", estimate.particles, details)


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
    plan, batch = plan or Coupling(), Batch.some(x)
    parts = list(split_batch(batch, 1, model))
    lag, burn_in, most = plan.lag, plan.burn_in, plan.most_steps
    with Loop(loops=3 if lag is None or burn_in is None else 2):
        paths = [Path(Joint(model, guide, part), "prior") for part in parts]
        kernels = [Kernel(path, plan.leapfrogs) for path in steps(paths)]
        if lag is None or burn_in is None:
            pilots = [coupled_chains(kernel, 1, 0, most) for kernel in steps(kernels)]
            meeting = torch.cat([pilot.meeting for pilot in pilots])
            longest = int(meeting.clamp(max=most // 4).max())
            lag = longest if lag is None else lag
            burn_in = 2 * longest if burn_in is None else burn_in
        runs = [coupled_chains(kernel, lag, burn_in, most) for kernel in steps(kernels)]
    starts = torch.tensor([0, *(part.size for part in parts)]).cumsum(0)
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


class Kernel:
    """The transition of all chains, a row for every datum, which leaves p(z|x) invariant.

    Its step sizes are tuned when it is made, and then stay as they are.
    """

    def __init__(self, path: Path, leapfrogs: int) -> None:
        if path.joint.has_idle:
            raise UnsupportedPair(
                "latents are masked of some data: chains go anywhere there, and do not meet; "
                "measure data of one length together, without the steps beyond"
            )
        self.path, self.leapfrogs = path, leapfrogs
        drawn = path.joint.draw_guide(SCALE_DRAWS).unflatten(0, (SCALE_DRAWS, -1))
        self.scale = drawn.std(0).clamp(min=torch.finfo(drawn.dtype).tiny)
        self.step = self._tuned()

    def starts(self) -> tuple[Point, Point]:
        """Returns two starts for every datum, one from q(z|x) and one from p(z).

        A coin says which is which, so that both have the same distribution: half of each.
        """
        u, v = self.path.joint.draw_guide(1), self.path.joint.draw_prior(1)
        coin = torch.rand(len(u), 1, device=u.device) < 0.5
        return self.path.at(torch.where(coin, u, v)), self.path.at(torch.where(coin, v, u))

    def alone(self, point: Point) -> Point:
        """Makes a step with fresh noise."""
        moved = self._hamiltonian(point, Noise.fresh(point))
        walk = torch.randn_like(point.u)
        return self._walked(moved, self._away(moved, walk), torch.rand_like(moved.log_end))

    def coupled(self, one: Point, other: Point) -> tuple[Point, Point, Bool[Tensor, " N"]]:
        """Makes a step of two chains with common noise; says which of them are now the same."""
        noise = Noise.fresh(one)
        one, other = self._hamiltonian(one, noise), self._hamiltonian(other, noise)
        walk = torch.randn_like(one.u)
        proposal = self._away(one, walk)
        reflected, meets = reflection_maximal((one.u - other.u) / (WALK * self.scale), walk)
        # The same number to the last digit, not one that is equal but for rounding.
        theirs = torch.where(meets.unsqueeze(1), proposal, self._away(other, reflected))
        uniform = torch.rand_like(one.log_end)
        one, other = self._walked(one, proposal, uniform), self._walked(other, theirs, uniform)
        return one, other, (one.u == other.u).all(1)

    def _hamiltonian(self, point: Point, noise: Noise) -> Point:
        moved, _ = transition(self.path, point, 1.0, self.step, self.leapfrogs, self.scale, noise)
        return moved

    def _away(self, point: Point, walk: Float[Tensor, " N d"]) -> Float[Tensor, " N d"]:
        return point.u + WALK * self.scale * walk

    def _walked(
        self, point: Point, proposal: Float[Tensor, " N d"], uniform: Float64[Tensor, " N"]
    ) -> Point:
        new = self.path.at(proposal)
        # NaN is a density that is not there: the proposal is rejected.
        accepted = uniform < torch.nan_to_num((new.log_end - point.log_end).exp(), nan=0.0)
        return new.where(accepted, point)

    def _tuned(self) -> Float64[Tensor, " N"]:
        """Returns step sizes from chains that are thrown away."""
        point, _ = self.starts()
        log_step = torch.full_like(point.log_end, math.log(FIRST_STEP))
        tried = []
        for _ in steps(range(TUNING_STEPS), "tuning of the chains, step"):
            point, acceptance = transition(
                self.path, point, 1.0, log_step.exp(), self.leapfrogs, self.scale
            )
            log_step = log_step + ADAPTATION * (acceptance - TARGET_ACCEPTANCE)
            tried.append(log_step)
        return torch.stack(tried[TUNING_STEPS // 2 :]).mean(0).exp()


def reflection_maximal(
    apart: Float[Tensor, " N d"], walk: Float[Tensor, " N d"]
) -> tuple[Float[Tensor, " N d"], Bool[Tensor, " N"]]:
    """Returns a second standard normal draw beside `walk`, and where it makes proposals coincide.

    For chains that are `apart` (X − Y, in standard deviations) it is `walk` + `apart` as often as a
    coupling can make it, and elsewhere `walk`, reflected in the plane between the chains.

    >>> walk = torch.randn(100_000, 2)
    >>> other, meets = reflection_maximal(torch.tensor([[1.0, 0.0]]).expand(100_000, 2), walk)
    >>> round(meets.float().mean().item(), 2)    # 2 Φ(−½)
    0.62
    """
    gap, draw = apart.double(), walk.double()
    # log φ(draw + gap) − log φ(draw)
    ratio = -(draw * gap).sum(1) - 0.5 * gap.square().sum(1)
    meets = torch.rand_like(ratio).log() < ratio
    unit = gap / gap.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    reflected = draw - 2 * (draw * unit).sum(1, keepdim=True) * unit
    return torch.where(meets.unsqueeze(1), draw + gap, reflected).to(walk), meets


def coupled_chains(kernel: Kernel, lag: int, burn_in: int, most_steps: int) -> PosteriorDraws:
    """Runs two chains for every datum until they have met, `burn_in` steps at least."""
    joint = kernel.path.joint
    ahead, behind = kernel.starts()
    met = torch.zeros(joint.batch.size, dtype=torch.bool, device=ahead.u.device)
    meeting = torch.full_like(ahead.log_end, math.inf)
    none = torch.zeros(0, dtype=torch.long, device=met.device)
    drawn, kept, rows, signs = ahead.u, [_picked(joint.latents(ahead.u), none)], [none], []
    for t in steps(range(1, max(most_steps, burn_in) + 1), "step of the chains"):
        if t <= lag or bool(met.all()):
            ahead = kernel.alone(ahead)
        else:
            ahead, behind, same = kernel.coupled(ahead, behind)
            meeting[same & ~met] = t
            met |= same
            behind = ahead.where(met, behind)  # once met, they are one chain
        if t == burn_in:
            drawn = ahead.u
        if t > burn_in and (t - burn_in) % lag == 0 and not bool(met.all()):
            (late,) = torch.nonzero(~met, as_tuple=True)
            kept += [_picked(joint.latents(point.u), late) for point in (ahead, behind)]
            rows += [late, late]
            signs += [torch.ones_like(meeting[late]), -torch.ones_like(meeting[late])]
        if t >= burn_in and bool(met.all()):
            break
    return PosteriorDraws(
        joint.batch,
        joint.latents(drawn),
        _joined(kept),
        torch.cat(rows),
        torch.cat([meeting[:0], *signs]),
        meeting,
        lag,
        burn_in,
    )


def _picked(latents: Latents, rows: Int[Tensor, " picked"]) -> Latents:
    return {name: z[rows] for name, z in latents.items()}


def _joined(parts: list[Latents]) -> Latents:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
