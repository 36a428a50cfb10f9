"""One step of Markov chains that leave p(z|x) invariant, alone or coupled.

A step has three moves, each with common noise for the chains of a datum:

1. A chain goes to one of several fresh proposals or stays, by their weights p(x, z)/r(z) (iterated
   sampling importance resampling; Andrieu, Lee & Vihola 2018). r is half q(z|x) and p(z), so that
   a chain in a far mode, where q is nothing, comes back, and half normals at what pilots found.
   Chains that go to the same proposal have met (Ruiz et al. 2021, who couple this move of a VAE).
2. A random walk, whose proposals coincide as often as they can (the reflection-maximal coupling;
   Bou-Rabee, Eberle & Zimmer 2020), makes chains meet that are close.
3. A Hamiltonian step with common momenta brings them close (Heng & Jacob 2019).

Pilots are chains that run before and are thrown away. Two make these moves, with r = ½q + ½p, and
the step size is tuned on them; two make the third alone, so that each comes to the mode that its
start leads to, one from q(z|x) and one from p(z). A normal is fitted to the second half of each. A
mode that q and p hit once in ten thousand draws is hit by every eighth proposal from then on.

Any r that is positive where p(z|x) is leaves p(z|x) invariant by move 1, and r ≥ ¼q + ¼p is. The
pilots' noise is independent of that of all later chains: given the pilots, r and the step size are
fixed, the same for both chains and at each step, so that whatever the chains estimate without bias
has its expectation for any pilots, and so on average over them.
"""

import copy
import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from evidence.hmc import Path, jittered
from evidence.joint import Joint
from evidence.normals import Normals
from evidence.progress import steps

# How step sizes are tuned: towards this acceptance probability, by this much per step and unit of
# its error, over so many steps, of which the second half is averaged.
TARGET_ACCEPTANCE = 0.9
ADAPTATION = 0.1
TUNING_STEPS = 100
FIRST_STEP = 0.2
# How many proposals a step resamples from.
PROPOSALS = 16
# The random walk's standard deviation, and a Hamiltonian step's, are in units of the guide's
# standard deviations, which are taken from so many draws.
WALK = 0.05
SCALE_DRAWS = 100


@dataclass(frozen=True)
class State:
    """Where the chains are: `count` for every datum, a row each, the index of the datum fastest."""

    u: Float[Tensor, " rows dimensions"]
    log_r: Float64[Tensor, " rows"]
    log_joint: Float64[Tensor, " rows"]

    @classmethod
    def stacked(cls, states: "list[State]") -> "State":
        """Returns the chains of several states as those of one."""
        return cls(*(torch.cat(parts) for parts in zip(*map(State.fields, states), strict=True)))

    def chunk(self, count: int) -> "list[State]":
        """Returns the `count` chains that every datum has, each as a state."""
        return [
            State(*parts) for parts in zip(*(f.chunk(count) for f in self.fields()), strict=True)
        ]

    def fields(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns what the state consists of."""
        return self.u, self.log_r, self.log_joint

    def rows(self, which: Int[Tensor, " picked"]) -> "State":
        """Returns some of the chains."""
        return State(*(part[which] for part in self.fields()))

    def where(self, chosen: Bool[Tensor, " rows"], other: "State") -> "State":
        """Returns this state in the rows that are chosen, the other elsewhere."""
        u = torch.where(chosen.unsqueeze(1), self.u, other.u)
        return State(
            u,
            torch.where(chosen, self.log_r, other.log_r),
            torch.where(chosen, self.log_joint, other.log_joint),
        )


class Kernel:
    """The transition of all chains, a row for every datum, which leaves p(z|x) invariant.

    Its step sizes and proposals are tuned when it is made, and then stay as they are. Latents that
    have no say stay where the first draw of the guide puts them.
    """

    def __init__(self, joint: Joint, leapfrogs: int) -> None:
        self.path, self.leapfrogs = Path(joint, "mixture"), leapfrogs
        drawn = joint.draw_guide(SCALE_DRAWS).unflatten(0, (SCALE_DRAWS, -1))
        self.idle, self.parked = joint.idle, drawn[0]
        self.scale = drawn.std(0).clamp(min=torch.finfo(drawn.dtype).tiny).masked_fill(self.idle, 0)
        self.normals: Normals | None = None
        self.step, self.normals = self._tuned()

    def starts(self) -> tuple[State, State]:
        """Returns two starts for every datum, one from q(z|x) and one from p(z).

        A coin says which is which, so that both have the same distribution: half of each.
        """
        joint = self.path.joint
        u, v = joint.draw_guide(1), joint.draw_prior(1)
        coin = torch.rand(len(u), 1, device=u.device) < 0.5
        return self._at(torch.where(coin, u, v)), self._at(torch.where(coin, v, u))

    def of(self, which: Int[Tensor, " picked"]) -> "Kernel":
        """Returns the same transition of the chains of some of the data.

        It is not compiled: few rows in a shape of their own repay no recording.
        """
        other = copy.copy(self)
        other.path = Path(self.path.joint.of(which), "mixture", compiles=False)
        other.idle, other.parked = self.idle[which], self.parked[which]
        other.scale, other.step = self.scale[which], self.step[which]
        other.normals = self.normals and self.normals.of(which)
        return other

    def alone(self, one: State) -> State:
        """Makes a step with fresh noise."""
        return self._stepped(one, 1)

    def coupled(self, one: State, other: State) -> tuple[State, State, Bool[Tensor, " N"]]:
        """Makes a step of two chains with common noise; says which of them are now the same."""
        both = self._stepped(State.stacked([one, other]), 2)
        one, other = both.chunk(2)
        return one, other, (one.u == other.u).all(1)

    def _at(self, u: Float[Tensor, " rows dimensions"]) -> State:
        times = len(u) // len(self.idle)
        u = torch.where(self.idle.repeat(times, 1), self.parked.repeat(times, 1), u)
        log_r, log_joint = self.path.values(u)
        if self.normals is not None:
            log_r = torch.logaddexp(log_r, self.normals.log_density(u)) - math.log(2)
        return State(u, log_r, log_joint)

    def _stepped(self, chains: State, count: int) -> State:
        """Makes a step of `count` chains for every datum."""
        chains = self._walked(self._resampled(chains, count), count)
        return self._hamiltonian(chains, count, self.step)[0]

    def _drawn(self) -> State:
        """Draws proposals from r."""
        u = self.path.draw(PROPOSALS)
        if self.normals is not None:
            other = self.normals.draw(PROPOSALS)
            u = torch.where(torch.rand(len(u), 1, device=u.device) < 0.5, u, other)
        return self._at(u)

    def _resampled(self, chains: State, count: int) -> State:
        """Moves chains to proposals that all chains of a datum have in common."""
        proposals = self._drawn()
        log_weight = _weight(proposals).unflatten(0, (PROPOSALS, -1))
        # The largest of log w + Gumbel noise is a draw in proportion to w.
        noise = -torch.rand_like(torch.cat([log_weight[:1], log_weight])).log().neg().log()
        best, which = (log_weight + noise[1:]).max(0)
        rows = which * log_weight.shape[1] + torch.arange(len(which), device=which.device)
        chosen = State(
            *(part[rows].repeat(count, *[1] * (part.dim() - 1)) for part in proposals.fields())
        )
        own = _weight(chains) + noise[0].repeat(count)
        return chosen.where(best.repeat(count) > own, chains)

    def _walked(self, chains: State, count: int) -> State:
        one, *others = chains.chunk(count)
        walk, uniform = torch.randn_like(one.u), torch.rand_like(one.log_joint)
        width = WALK * self.scale
        proposed = [one.u + width * walk]
        for other in others:
            apart = (one.u - other.u) / width.clamp(min=torch.finfo(width.dtype).tiny)
            reflected, meets = reflection_maximal(apart, walk)
            # The same number to the last digit, not one that is equal but for rounding.
            theirs = other.u + width * reflected
            proposed.append(torch.where(meets.unsqueeze(1), proposed[0], theirs))
        new = self._at(torch.cat(proposed))
        # NaN is a density that is not there: the proposal is rejected.
        ratio = torch.nan_to_num((new.log_joint - chains.log_joint).exp(), nan=0.0)
        return new.where(uniform.repeat(count) < ratio, chains)

    def _hamiltonian(
        self, chains: State, count: int, step: Float64[Tensor, " N"]
    ) -> tuple[State, Float64[Tensor, " rows"]]:
        """Makes a step in u / scale (Neal 2011, eqs. 18 to 20)."""
        u, momentum = chains.u, torch.randn_like(self.scale).repeat(count, 1)
        size = (self.scale * jittered(step, torch.rand_like(step)).unsqueeze(1)).to(u)
        size, uniform = size.repeat(count, 1), torch.rand_like(step).repeat(count)
        before = 0.5 * momentum.double().square().sum(1) - chains.log_joint
        momentum = momentum + 0.5 * size * self.path.force(u)
        for k in range(self.leapfrogs):
            u = u + size * momentum
            share = 1.0 if k < self.leapfrogs - 1 else 0.5
            momentum = momentum + share * size * self.path.force(u)
        new = self._at(u)
        after = 0.5 * momentum.double().square().sum(1) - new.log_joint
        # NaN is an energy that diverged: such a trajectory is rejected.
        acceptance = torch.nan_to_num((before - after).clamp(max=0).exp(), nan=0.0)
        return new.where(uniform < acceptance, chains), acceptance

    def _tuned(self) -> tuple[Float64[Tensor, " N"], Normals]:
        """Returns step sizes and normals from four pilots a datum, which are thrown away."""
        chains, local = State.stacked(list(self.starts())), State.stacked(list(self.starts()))
        log_step = torch.full_like(self.scale[:, 0], math.log(FIRST_STEP), dtype=torch.float64)
        tried, visited = [], []
        for _ in steps(range(TUNING_STEPS), "tuning of the chains, step"):
            moved = State.stacked([self._walked(self._resampled(chains, 2), 2), local])
            moved, acceptance = self._hamiltonian(moved, 4, log_step.exp())
            first, second, *others = moved.chunk(4)
            chains, local = State.stacked([first, second]), State.stacked(others)
            mean = acceptance.unflatten(0, (4, -1))[:2].mean(0)
            log_step = log_step + ADAPTATION * (mean - TARGET_ACCEPTANCE)
            tried.append(log_step)
            visited.append(moved.u.unflatten(0, (4, -1)))
        half = TUNING_STEPS // 2
        normals = Normals.fitted(torch.stack(visited[half:]), WALK * self.scale)
        return torch.stack(tried[half:]).mean(0).exp(), normals


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


def _weight(state: State) -> Float64[Tensor, " rows"]:
    """Returns log p(x, z)/r(z); no weight where there is no density."""
    return torch.nan_to_num(state.log_joint - state.log_r, nan=-math.inf)
