"""Whether p(x|z) and p(z) of all data are one function: looked at for every datum.

A program that uses x for nothing but `obs=x` computes the same from z whichever datum it is called
with. So it runs on the same z with every datum's own row, with the first row for all, and with the
last for all; the shapes are the same, so the numbers must be, too. (Two rows, because a program
that looks at the whole batch, at its largest x, say, can agree with one of them.)
"""

from collections.abc import Iterator

import pyro
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from evidence.batch import Batch
from evidence.chunks import rows_per_chunk
from evidence.fixed import check_observed
from evidence.joint import Joint
from evidence.noise import forked
from evidence.structure import at, log_likelihood_of, log_prob_of, only, site_log_prob

# At how many draws of q(z|x), and of p(z), every datum is looked at.
LOOKS = 4


def observed_where_alike(first: Joint, batch: Batch, tolerance: float) -> Tensor | None:
    """Returns what the model observes of every datum, (N, *shape).

    None if p(x, z) of a datum is not what the row of another says, by more than `tolerance` nats,
    or if its latents have another support. `first` is the joint of some of the data.

    Raises UnsupportedPair if what it observes depends on z.
    """
    observed = []
    with forked(batch.device, seed=0):
        for part in batch.parts(max(1, rows_per_chunk(batch.x, first.model) // (2 * LOOKS))):
            joint = Joint(first.model, first.guide, part)
            if joint.bounded_by_data or not _same_support(first, joint):
                return None
            u = joint.typed(torch.cat([joint.draw_guide(LOOKS), joint.draw_prior(LOOKS)]))
            site = only(joint.observed, at(joint.model, joint.latents(u), joint.rows(len(u))))
            observed.append(site["value"][: part.size])
            check_observed(site, observed[-1])
            if not bool(alike(joint, batch, u, tolerance).all()):
                return None
    return torch.cat(observed)


def alike_at(
    first: Joint, batch: Batch, u: Float[Tensor, " N dimensions"], tolerance: float
) -> bool:
    """Returns whether p(x, z) of every datum is what the first row says, at its own row of u."""
    parts: Iterator[Batch] = Batch((*batch, u)).parts(rows_per_chunk(batch.x, first.model))
    return all(
        bool(alike(first.on(Batch(part[:-1]), first.bounds), batch, part[-1], tolerance).all())
        for part in parts
    )


def alike(
    joint: Joint, batch: Batch, u: Float[Tensor, " rows dimensions"], tolerance: float
) -> Bool[Tensor, " rows"]:
    """Returns where log p(x, z) at u is the same by a datum's own row as by the first and last."""
    latents = joint.latents(u)
    trace = at(joint.model, latents, joint.rows(len(u)))
    x = only(joint.observed, trace)["value"]
    expected = log_prob_of(trace, latents) + log_likelihood_of(trace, joint.observed)
    agreed = torch.ones_like(expected, dtype=torch.bool)
    for row in (0, batch.size - 1):
        one = Batch(column[[row]].expand(len(u), *column.shape[1:]) for column in batch)
        with pyro.validation_enabled(False):  # x need not lie in the support of another's p(x|z)
            other = at(joint.model, latents, one)
            site = only(joint.observed, other).copy()
            site["value"] = x
            found = log_prob_of(other, latents) + site_log_prob(site, is_data=True)
        agreed &= _close(found, expected, tolerance)
    return agreed


def _close(
    found: Float64[Tensor, " rows"], expected: Float64[Tensor, " rows"], tolerance: float
) -> Bool[Tensor, " rows"]:
    # The same operations on the same numbers round alike, but for kernels that depend on strides.
    near = (found - expected).abs() <= 1e-6 * expected.abs() + tolerance / 10
    return near | (found == expected)


def _same_support(first: Joint, other: Joint) -> bool:
    return all(map(torch.equal, first.bounds, other.bounds))
