"""Where a loss that is NaN or infinite comes from."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.poutine import Trace
from torch import Tensor

from errors import TrainingError
from evidence.batch import Batch

NO_SITE = "no single site (each is finite, their sum is not)"
# What torch says of a parameter, a value or a matrix that it does not take.
INVALID = re.compile(
    r"Expected parameter \w+|Expected value argument|linalg\.\w+: [^\n]*(?=\.)|"
    r"log-density that is NaN"
)
CONSTRAINT = re.compile(r"(to satisfy the constraint|to be within the support) (.*?)(,| of the|$)")
REFUSALS = (ValueError, torch.linalg.LinAlgError)


class NonFinite(TrainingError):
    """The loss `steps_ago` was NaN or infinite; no parameter was updated with it."""

    def __init__(self, message: str, steps_ago: int = 0) -> None:
        super().__init__(message)
        self.steps_ago = steps_ago


@torch.no_grad()
def broken_site(model: Callable[..., object], guide: Callable[..., object], batch: Batch) -> str:
    """Names the first site, guide before model, whose value or log-density is not finite."""
    if not batch.size:  # the share of a process that has none of a short batch
        return NO_SITE
    with pyro.validation_enabled(False):
        drawn, made = _run(guide, batch)
        if (site := _broken(drawn, "guide")) or not made:
            return site or _next(drawn, "guide")
        trace, made = _run(poutine.replay(model, trace=drawn), batch)
        return _broken(trace, "model") or (NO_SITE if made else _next(trace, "model"))


def _run(program: Callable[..., object], batch: Batch) -> tuple[Trace, bool]:
    """Returns the trace of a run, and whether it came to its end: some always validate."""
    with poutine.trace() as tracer:
        try:
            program(*batch)
        except REFUSALS:
            return tracer.trace, False
    return tracer.trace, True


def _sites(trace: Trace) -> dict[str, Any]:
    """Returns the sites of tensors; that of the plate is none."""
    sites: dict[str, Any] = dict(trace.nodes)
    return {
        name: site
        for name, site in sites.items()
        if site["type"] == "sample" and isinstance(site["value"], Tensor) and name != "data"
    }


def _broken(trace: Trace, program: str) -> str | None:
    for name, site in _sites(trace).items():
        if not bool(site["value"].isfinite().all()):
            return f"site {name!r} of the {program} (its value)"
        if not _has_density(site):
            return f"site {name!r} of the {program} (its log-probability)"
    return None


def _next(trace: Trace, program: str) -> str:
    """Names the site whose distribution could not be made."""
    last = next(reversed(_sites(trace)), None)
    return (
        f"the site after {last!r} of the {program}" if last else f"the first site of the {program}"
    )


def _has_density(site: dict[str, Any]) -> bool:
    try:
        return bool(site["fn"].log_prob(site["value"]).isfinite().all())
    except REFUSALS:
        return False


@contextmanager
def refusals_named(
    model: Callable[..., object], guide: Callable[..., object], batch: Batch
) -> Iterator[None]:
    """Raises NonFinite, which names the site, where a distribution inside refuses its numbers."""
    try:
        yield
    except REFUSALS as error:
        if (said := INVALID.search(str(error))) is None:
            raise
        limits = CONSTRAINT.search(str(error))
        words = said[0] if limits is None else f"{said[0]} {limits[1]} {limits[2]}"
        raise NonFinite(f"{words}, at {broken_site(model, guide, batch)}") from error
