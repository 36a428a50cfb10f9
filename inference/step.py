"""One step of stochastic variational inference."""

import math
from collections.abc import Callable
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer import SVI
from torch import Tensor, nn

from errors import TrainingError
from inference.optimiser import FusedAdam


class NonFinite(TrainingError):
    """The loss is NaN or infinite; the parameters have not been updated with it."""


def make_step(model: nn.Module, guide: nn.Module, optimiser: FusedAdam, objective: Any) -> Callable[[Tensor], float]:
    """SVI on `objective`, as loss per datum: batches of any size then weigh the same against `weight_decay` and
    `clip_norm`. The first step runs with Pyro's and torch's validation of arguments on, the others without."""

    def loss(model: nn.Module, guide: nn.Module, x: Tensor) -> Tensor:
        value = objective.differentiable_loss(model, guide, x) / len(x)
        if not math.isfinite(value.item()):
            raise NonFinite(f"loss {value.item()} at {broken_site(model, guide, x)}")
        return value

    svi = SVI(model, guide, optimiser, loss=loss)
    validate = True

    def step(x: Tensor) -> float:
        nonlocal validate
        with pyro.validation_enabled(validate):
            validate = False
            return svi.step(x)

    return step


@torch.no_grad()
def broken_site(model: nn.Module, guide: nn.Module, x: Tensor) -> str:
    """The first site, guide before model, whose value, parameters or log-probability are not finite."""
    guide_trace = poutine.trace(guide).get_trace(x)
    model_trace = poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(x)
    for program, trace in (("guide", guide_trace), ("model", model_trace)):
        for name, site in dict[str, Any](trace.nodes).items():
            if site["type"] != "sample" or not isinstance(site["value"], Tensor) or name == "data":
                continue
            if not bool(site["value"].isfinite().all()):
                return f"site {name!r} of the {program} (its value)"
            if not bool(site["fn"].log_prob(site["value"]).isfinite().all()):
                return f"site {name!r} of the {program} (its log-probability)"
    return "no single site (each is finite, their sum is not)"
