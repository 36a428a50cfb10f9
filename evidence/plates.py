"""Plates inside of a datum, over the steps of a sequence, say: what is in them is one value.

A program may draw inside of `pyro.plate("time", T, dim=-1)`, which is inside of its data plate at
dim −2. A site there has the batch shape (N, T): T variables of each datum. It is read as if they
were declared with `.to_event(1)`, masks included, so that all else here sees one value a datum.
"""

from typing import TYPE_CHECKING

from pyro.poutine.indep_messenger import CondIndepStackFrame

from evidence.unsupported import UnsupportedPair

if TYPE_CHECKING:
    from evidence.structure import Site


def plates_of(site: "Site") -> dict[int, CondIndepStackFrame]:
    """Returns the plates that a site is in by their dimensions, −1 for the last, leftmost first."""
    frames = {frame.dim: frame for frame in site["cond_indep_stack"] if frame.dim is not None}
    return dict(sorted(frames.items()))


def declare(site: "Site", rows: int) -> None:
    """Declares the dimensions that plates inside of the data plate have as those of an event.

    The data plate is the leftmost, of `rows` data. Sites of other shapes are left as they are.

    Raises UnsupportedPair for a plate that draws a part of a datum.
    """
    shape, plates = site["fn"].batch_shape, plates_of(site)
    inner = [dim for dim in range(1 - len(shape), 0) if dim in plates or shape[dim] != 1]
    if (
        len(shape) < 2
        or shape[0] != rows
        or any(dim not in plates for dim in (-len(shape), *inner))
    ):
        return
    for dim in inner:
        name, size, whole = plates[dim].name, plates[dim].size, plates[dim].full_size
        if whole is not None and size < whole:
            raise UnsupportedPair(
                f"plate {name!r} draws {size} of {whole} parts of a datum, and log p(x) is of all; "
                "leave its subsample_size out"
            )
    fn = site["fn"] if site["mask"] is None else site["fn"].mask(site["mask"])
    site["fn"], site["mask"] = fn.to_event(len(shape) - 1), None
