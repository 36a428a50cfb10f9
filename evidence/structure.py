"""The sites of a Pyro program, and their log-densities."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypedDict, cast

import torch
from jaxtyping import Float, Float64
from pyro import poutine
from pyro.distributions import TorchDistribution
from pyro.distributions.util import scale_and_mask
from pyro.poutine import Trace
from pyro.poutine.indep_messenger import CondIndepStackFrame
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor
from torch.distributions import Distribution

from evidence.inside import allowed, within_bounds
from evidence.plates import declare
from evidence.precision import log_prob
from evidence.support import name_of
from evidence.surroundings import AnyNumber, evaluation_mode
from evidence.unsupported import RefusedNumber, UnsupportedPair

# A model or a guide: a Pyro program, called with the columns of a batch.
Program = Callable[..., object]

# How torch and Pyro say that tensors do not fit each other, and what to do.
SIZES = "let its plate and all sizes follow len(x), and declare other dimensions with .to_event()"
TYPES = "give the data in the precision of its parameters: x.float(), say"
SHAPES = "give the data in the shape that it takes, (N, *shape)"
INVALID = ", but found invalid values"
TENSOR = re.compile(r"tensor\([^()]*\)")
MISFITS = {
    "shapes cannot be multiplied": SHAPES,
    "Given groups=": SHAPES,
    "Sizes of tensors must match": SHAPES,
    "Shape mismatch inside plate": SIZES,
    "subsample_size does not match": SIZES,
    "The size of tensor a": SIZES,
    "is invalid for input of size": SIZES,
    "The expanded size of the tensor": SIZES,
    "have the same dtype": TYPES,
    "expected scalar type": TYPES,
}

# Values of latents by site name, (rows, *event).
Latents = dict[str, Tensor]


class Site(TypedDict):
    """A sample site of a trace: what this package reads of Pyro's message."""

    type: str
    name: str
    fn: TorchDistribution
    value: Tensor
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    is_observed: bool
    infer: dict[str, Any]
    cond_indep_stack: tuple[CondIndepStackFrame, ...]
    scale: float | Tensor
    mask: bool | Tensor | None


def traced(program: Program, batch: tuple[Tensor, ...]) -> Trace:
    """Returns the trace of one run `program(*batch)`, its modules in evaluation mode.

    What plates inside of the data plate hold is declared as an event (see `evidence.plates`).

    Raises UnsupportedPair where the shapes within the program are not those of the data.
    """
    rows = len(batch[0])
    with fitting(f"a program does not run on {rows} data"), evaluation_mode(), AnyNumber():
        trace = poutine.trace(program).get_trace(*batch)
    for site in sample_sites(trace):
        declare(site, rows)
    return trace


def check_columns(program: Program, count: int) -> None:
    """Raises ValueError if `program` cannot be called with so many columns."""
    try:
        called = program.forward if isinstance(program, torch.nn.Module) else program
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):  # it does not say
        return
    if any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters):
        return
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if count > len(places):
        columns = f"{count} columns" if count > 1 else "1 column"
        raise ValueError(
            f"x has {columns} and the program takes {len(places)}: stack rows by torch.stack"
        )


class _AllDrawn(Exception):
    """A program has drawn what was asked for."""


class _Until(Messenger):
    """Stops a program once it has drawn the sites of these names."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self.left = set(names)

    def _pyro_post_sample(self, msg: Message) -> None:
        self.left.discard(str(msg["name"]))
        if not self.left:
            raise _AllDrawn


def drawn(program: Program, batch: tuple[Tensor, ...], names: Iterable[str]) -> Trace:
    """Returns the trace of `program(*batch)` up to the last of these sites: no decoder runs."""

    def upto(*columns: Tensor) -> None:
        with suppress(_AllDrawn), _Until(names):
            program(*columns)

    return traced(upto, batch)


@contextmanager
def fitting(what: str, row: Callable[[], int | None] = lambda: None) -> Iterator[None]:
    """Raises UnsupportedPair that says `what` where tensors inside do not fit each other.

    Where a number inside is refused (NaN, or outside of a support), RefusedNumber says so in a
    line, and which datum it is of if `row` finds it.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        # A support is said with all its tensors, which may take a page.
        said = TENSOR.sub("tensor(…)", str(error))
        reason = said.splitlines()[0] if said else ""
        if INVALID in reason:
            raise RefusedNumber(f"{what}: {reason.partition(INVALID)[0]}", row()) from error
        advice = [advice for words, advice in MISFITS.items() if words in reason]
        if not advice:
            raise
        raise UnsupportedPair(f"{what} ({reason}); {advice[0]}") from error


def at(program: Program, latents: Latents, batch: tuple[Tensor, ...]) -> Trace:
    """Returns the trace of `program(*batch)` with the values `latents` at its latent sites."""
    return traced(poutine.condition(program, data=latents), batch)


def site_of(trace: Trace, name: str) -> Site:
    """Returns the sample site of that name."""
    return cast(Site, trace.nodes[name])


def sample_sites(trace: Trace) -> list[Site]:
    """Returns the sites of a trace that have a density.

    Those that plates add for themselves have none, nor has what `pyro.deterministic` writes down.
    """
    return [
        cast(Site, node)
        for node in trace.nodes.values()
        if node["type"] == "sample"
        and type(node["fn"]).__name__ != "_Subsample"
        and not (node["is_observed"] and (node["infer"] or {}).get("_deterministic"))
    ]


def latent_sites(trace: Trace) -> list[Site]:
    """Returns the sites that a program draws."""
    return [site for site in sample_sites(trace) if not site["is_observed"]]


def observed_sites(trace: Trace, latents: Iterable[str]) -> list[Site]:
    """Returns the sites of a model that are none of `latents`: the datum.

    Raises UnsupportedPair for a model without any.
    """
    observed = [site for site in sample_sites(trace) if site["name"] not in set(latents)]
    if not observed:
        raise UnsupportedPair("the model observes nothing; give one of its sites obs=x")
    return observed


def observed_site(trace: Trace, latents: Iterable[str]) -> Site:
    """Returns the one site of a model that is none of `latents`, where one is needed.

    Raises UnsupportedPair for a model with no such site, or with several.
    """
    return only([site["name"] for site in observed_sites(trace, latents)], trace)


def only(names: Sequence[str], trace: Trace) -> Site:
    """Returns the observed site; raises UnsupportedPair if there are several."""
    if len(names) != 1:
        raise UnsupportedPair(
            f"the model has {len(names)} observed sites ({', '.join(map(repr, names))}), and this "
            "measure needs one; write it with one, whose event holds all that is observed of a "
            "datum"
        )
    return site_of(trace, names[0])


def site_log_prob(site: Site, is_data: bool = False) -> Float64[Tensor, " rows"]:
    """Returns the log-density of the site's value, masked as the program says, never scaled."""
    return masked(log_density(site, site["value"], is_data), site).double()


def log_density(site: Site, value: Tensor, is_data: bool = False) -> Tensor:
    """Returns the log-density of a site at `value`, neither masked nor scaled.

    Its large terms are taken in float64: see `evidence.precision`. It is −inf beyond the ends
    of the support, where formulas go on if validation is off.
    """
    with fitting(
        f"site {site['name']!r} has no density of {len(value)} rows",
        lambda: _row_outside(site["fn"], value),
    ):
        try:
            if site["args"] or site["kwargs"]:
                found = site["fn"].log_prob(value, *site["args"], **site["kwargs"])
            else:
                found = log_prob(site["fn"], value, is_data)
        except (KeyError, NotImplementedError) as error:  # of torch's and Pyro's transforms
            raise UnsupportedPair(
                f"site {site['name']!r} has no log-density at values that it has not just drawn: "
                f"its transform lacks an inverse; take one that has it, or elbo and iwae"
            ) from error
    inside = within_bounds(site["fn"], value)
    return found if inside is None else torch.where(inside, found, -torch.inf)


def check_inside(site: Site, what: str, density: Float64[Tensor, " rows"]) -> None:
    """Raises RefusedNumber, with the row, if a value outside of the support has a log-density.

    Distributions see to it themselves unless validation is off, in the program or everywhere. What
    is masked may be anything, and −inf is right.
    """
    inside, mask = allowed(site["fn"], site["value"]), site["mask"]
    if inside is None or mask is False:
        return
    if mask is not None and mask is not True:
        inside = inside | ~mask.bool()
    inside = inside | (density == -torch.inf)
    if not bool(inside.all()):
        row = int((~inside).nonzero()[0, 0])
        raise RefusedNumber(
            f"site {site['name']!r} of {what} observes a value outside of its support, "
            f"{name_of(site['fn'])}",
            row,
        )


def _row_outside(distribution: Distribution, value: Tensor) -> int | None:
    """Returns the first row whose value does not lie in the support, if one says so."""
    support = distribution.support
    outside = torch.zeros(()) if support is None else ~support.check(value).cpu()
    rows = outside.flatten(1).any(1) if outside.dim() > 1 else outside
    return int(rows.nonzero()[0]) if rows.dim() and bool(rows.any()) else None


def sum_log_probs(sites: Iterable[Site]) -> Float64[Tensor, " rows"]:
    """Returns the joint log-density of several sites."""
    return torch.stack([site_log_prob(site) for site in sites]).sum(0)


def log_prob_of(trace: Trace, names: Iterable[str]) -> Float64[Tensor, " rows"]:
    """Returns the joint log-density of the latent sites of these names."""
    return sum_log_probs(site_of(trace, name) for name in names)


def log_likelihood_of(trace: Trace, observed: Iterable[str]) -> Float64[Tensor, " rows"]:
    """Returns log p(x|z), the joint log-density of the observed sites."""
    terms = [site_log_prob(site_of(trace, name), is_data=True) for name in observed]
    return torch.stack(terms).sum(0)


def masked(log_prob: Float[Tensor, " *shape"], site: Site) -> Float[Tensor, " *shape"]:
    """Returns `log_prob` where the site's mask is on and 0 elsewhere, as Pyro counts it.

    The site's scale (`poutine.scale`, plate subsampling) weights a loss, and is left out.
    """
    return scale_and_mask(log_prob, scale=1.0, mask=site["mask"])
