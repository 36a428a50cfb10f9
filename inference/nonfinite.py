"""Where a loss that is NaN or infinite comes from."""

from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro import poutine
from torch import Tensor

from errors import TrainingError
from evidence.batch import Batch

NO_SITE = "no single site (each is finite, their sum is not)"


class NonFinite(TrainingError):
    """The loss `steps_ago` was NaN or infinite; no parameter was updated with it."""

    def __init__(self, message: str, steps_ago: int = 0) -> None:
        super().__init__(message)
        self.steps_ago = steps_ago


@torch.no_grad()
def broken_site(model: Callable[..., object], guide: Callable[..., object], batch: Batch) -> str:
    """Names the first site, guide before model, whose value or log-probability is not finite."""
    if not batch.size:  # the share of a process that has none of a short batch
        return NO_SITE
    with pyro.validation_enabled(False):
        guide_trace = poutine.trace(guide).get_trace(*batch)
        model_trace = poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(*batch)
    for program, trace in (("guide", guide_trace), ("model", model_trace)):
        for name, site in dict[str, Any](trace.nodes).items():
            if site["type"] != "sample" or not isinstance(site["value"], Tensor) or name == "data":
                continue
            if not bool(site["value"].isfinite().all()):
                return f"site {name!r} of the {program} (its value)"
            if not bool(site["fn"].log_prob(site["value"]).isfinite().all()):
                return f"site {name!r} of the {program} (its log-probability)"
    return NO_SITE
