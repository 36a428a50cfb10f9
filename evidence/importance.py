"""Importance weights log p(x, z) − log r(z) of draws from q(z|x), from p(z), or from half of each.

From half of each, r = ½ q(z|x) + ½ p(z) (Hesterberg 1995), a weight is at most twice p(x|z) and at
most twice the guide's own, so that a mode which the guide leaves out is weighed, too. That repays
where p(z) finds such modes, in few dimensions: in E[log (1/K) Σ_k w_k] with one z_k from p(z|x) the
distance to log p(x) is about χ²(p(z|x)‖r)/K.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from jaxtyping import Float64
from torch import Tensor

from evidence.batch import Batch
from evidence.chunks import particles_per_chunk
from evidence.counts import whole
from evidence.estimate import Details
from evidence.hmc import Path, Start
from evidence.joint import Joint
from evidence.progress import steps
from evidence.structure import Program
from evidence.weights import stream


@dataclass(frozen=True)
class Importance:
    """How to weigh: `particles` draws of every datum from the `proposal`.

    It is "guide", "prior", or "mixture", half of each.

    Raises ValueError for less than one particle, or an unknown proposal.
    """

    particles: int = 20_000
    proposal: Start = "mixture"

    def __post_init__(self) -> None:
        whole("particles", self.particles)
        check_proposal(self.proposal)


@dataclass(frozen=True)
class Weighed(Details):
    """What the particles were drawn from, where that is not the guide."""

    proposal: str


def check_proposal(proposal: str) -> None:
    """Raises ValueError if there is no such proposal."""
    if proposal not in get_args(Start):
        raise ValueError(f"proposal={proposal}: choose from {', '.join(get_args(Start))}")


def weighed(proposal: str) -> Weighed | None:
    """Returns what an estimate says about its proposal."""
    check_proposal(proposal)
    return None if proposal == "guide" else Weighed(proposal)


def log_weight_chunks(
    model: Program, guide: Program, batch: Batch, num_particles: int, proposal: Start
) -> Iterator[Float64[Tensor, " particles batch"]]:
    """Yields log w of `num_particles` draws for every datum of `batch`, a chunk of them at a time.

    Inside `recording.recorded()` chunks of one size run compiled.
    """
    if proposal == "guide":
        for particles in stream(model, guide, batch, num_particles):
            yield particles.log_weights
        return
    path, chunk = Path(Joint(model, guide, batch), proposal), particles_per_chunk(batch, model)
    for start in steps(range(0, num_particles, chunk)):
        count = min(chunk, num_particles - start)
        log_start, log_end = path.values(path.draw(count))
        yield (log_end - log_start).unflatten(0, (count, -1))
