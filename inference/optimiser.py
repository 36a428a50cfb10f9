"""One fused optimiser over all parameters, behind Pyro's optimiser interface."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pyro.optim import PyroOptim
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


class FusedAdam(PyroOptim):
    """Adam over the parameters of the given modules, as one fused kernel.

    Pyro's own wrapper makes one torch optimiser per parameter, which is most of its overhead. The parameters are known
    from the start, so nothing passes through Pyro's global parameter store, and two pairs in one process never share.

    `weight_decay` λ adds λθ to the gradient of every weight matrix: the gradient of (λ/2)‖θ‖² added to the loss per
    datum, which is minus the log of a prior N(0, 1/(Nλ)) on each weight. AdamW's decoupled decay is no such thing: it
    skips Adam's rescaling. Biases, scales and the prior's parameters are not weights.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        learning_rate: float,
        schedule: Callable[[int], float] = lambda step: 1.0,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        named = {
            id(p): (n, p)
            for module in modules
            for n, p in module.named_parameters()
            if p.requires_grad
        }
        self.parameters = [p for _, p in named.values()]
        weights = [p for n, p in named.values() if n.endswith("weight") and p.ndim > 1]
        others = [p for n, p in named.values() if not (n.endswith("weight") and p.ndim > 1)]
        groups = [
            {"params": weights, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.adam = torch.optim.Adam(
            [g for g in groups if g["params"]], lr=learning_rate, fused=True
        )
        self.schedule = LambdaLR(self.adam, schedule)
        self.clip_norm, self.skip = clip_norm, False

    def __call__(self, params: Iterable[torch.Tensor], *args: Any, **kwargs: Any) -> None:
        """One step, whatever `params` SVI captured: these are all known already. Leaves no gradients behind."""
        self.update()
        self.schedule.step()

    def update(self) -> None:
        """What a step does on the device."""
        if not self.skip:
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
            self.adam.step()
        for parameter in self.parameters:
            parameter.grad = None

    def skip_unless_finite(self, loss: torch.Tensor) -> None:
        """The next step changes no parameter if `loss` is NaN or infinite: decided on the device, without reading it there."""
        if costs_nothing_to_read(loss.device):
            self.skip = not math.isfinite(loss.item())
        else:
            self.adam.found_inf = (~loss.isfinite()).float()  # type: ignore[attr-defined]

    def moments(self) -> list[torch.Tensor]:
        """What Adam remembers, parameter by parameter; nothing before the first step."""
        return [tensor for state in self.adam.state.values() for tensor in state.values()]

    def rates(self) -> list[torch.Tensor]:
        """The learning rates of the groups, where they are on the device."""
        return [
            group["lr"] for group in self.adam.param_groups if isinstance(group["lr"], torch.Tensor)
        ]

    def keep_rate_on(self, device: torch.device) -> None:
        """Keep the learning rate in memory of the device, as a captured step must."""
        self.adam._warned_capturable_if_run_uncaptured = True  # an epoch's last batch
        for group in self.adam.param_groups:
            group |= {
                "lr": torch.as_tensor(group["lr"], dtype=torch.float32, device=device),
                "capturable": True,
            }

    def get_state(self) -> dict[str, Any]:
        """Tensors and plain values: moments, and where the schedule stands. The same wherever the learning rate is kept."""
        adam, schedule = self.adam.state_dict(), self.schedule.state_dict()
        for group in adam["param_groups"]:
            group |= {"lr": float(group["lr"]), "capturable": False}
        return {
            "adam": adam,
            "schedule": schedule | {"_last_lr": [float(rate) for rate in schedule["_last_lr"]]},
        }

    def set_state(self, state_dict: dict[str, Any]) -> None:
        """Go on from `get_state()`."""
        self.adam.load_state_dict(state_dict["adam"])
        self.schedule.load_state_dict(state_dict["schedule"])


def costs_nothing_to_read(device: torch.device) -> bool:
    """Whether a number on `device` can be read without waiting for what is under way there."""
    return device.type == "cpu"
