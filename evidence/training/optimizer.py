"""One fused optimizer over all parameters, behind Pyro's optimizer interface."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pyro.optim import PyroOptim
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from evidence.recording.private_torch import (
    allow_steps_outside_graphs,
    ready_step,
    skip_step_where,
)
from evidence.training.alike import check_alike

# What continues an optimizer: tensors and plain values, nested.
State = dict[str, Any]


class FusedAdam(PyroOptim):
    """Adam over the parameters of the given modules, as one fused kernel.

    Pyro's own wrapper makes one torch optimizer per parameter, which is most of its overhead. Here
    the parameters are known from the start, so nothing passes through Pyro's global parameter
    store, and two pairs in one process never share anything.

    `weight_decay` λ adds λθ to the gradient of every weight matrix. That is the gradient of
    (λ/2)‖θ‖² added to the loss per datum, which is minus the log of a prior N(0, 1/(Nλ)) on each
    weight. AdamW's decoupled decay is no such thing: it skips Adam's rescaling. Biases, scales and
    the prior's parameters are not weights.
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
        self.parameters, self.known = [p for _, p in named.values()], set(named)
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
        self.clip_norm, self.skip, self.decided_on_device = clip_norm, False, False
        self.ready: Callable[[], bool] | None = None  # Adam's step, once there are moments

    def __call__(self, params: Iterable[Tensor], *args: object, **kwargs: object) -> None:
        """Takes a step along the gradients of all parameters; `params` are those that SVI found.

        Raises:
            ValueError: one of them was not given: it would not be learned.
        """
        if not self.known.issuperset(map(id, params)):
            raise ValueError(
                "FusedAdam: the programs have parameters (pyro.param, or of another module) that "
                "are in none of the modules it was given; give it all of them, or use pyro.optim"
            )
        self.step()

    def step(self) -> None:
        """Takes one step along the gradients, clears them, and moves the learning rate on."""
        self.update()
        self.schedule.step()

    def update(self) -> None:
        """Applies Adam to all parameters and clears their gradients: what a CUDA graph captures."""
        if not self.skip:
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.grad = laid_out_as(parameter, parameter.grad)
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
            if self.decided_on_device or self.ready is None or not self.ready():
                self.adam.step()
                self.ready = self._ready()
        for parameter in self.parameters:
            parameter.grad = None

    def _ready(self) -> Callable[[], bool] | None:
        """Returns a quicker step, if every parameter is one of float32 on the CPU, with moments."""
        plain = all(p.device.type == "cpu" and p.dtype == torch.float32 for p in self.parameters)
        known = all(p in self.adam.state for p in self.parameters)
        return ready_step(self.adam) if plain and known else None

    def skip_unless_finite(self, loss: Tensor) -> None:
        """Makes the next step change nothing if `loss` is NaN or infinite.

        On a GPU this is decided there, without waiting for the loss.
        """
        on_device = not costs_nothing_to_read(loss.device)
        self.decided_on_device = on_device and skip_step_where(
            (~loss.isfinite()).float(), self.adam
        )
        if not self.decided_on_device:
            self.skip = not math.isfinite(loss.item())

    def moments(self) -> list[Tensor]:
        """Returns what Adam remembers, parameter by parameter; nothing before the first step."""
        return [tensor for state in self.adam.state.values() for tensor in state.values()]

    def rates(self) -> list[Tensor]:
        """Returns the learning rates of the groups that keep them on the device."""
        rates = [group["lr"] for group in self.adam.param_groups]
        return [rate for rate in rates if isinstance(rate, Tensor)]

    def keep_rate_on(self, device: torch.device) -> None:
        """Keeps the learning rate in memory of the device, as a captured step must."""
        allow_steps_outside_graphs(self.adam)  # the last batch of an epoch is none
        for group in self.adam.param_groups:
            group |= {
                "lr": torch.as_tensor(group["lr"], dtype=torch.float32, device=device),
                "capturable": True,
            }

    def get_state(self) -> State:
        """Returns moments and the position of the schedule, wherever the learning rate is kept."""
        adam, schedule = self.adam.state_dict(), self.schedule.state_dict()
        for group in adam["param_groups"]:
            group |= {"lr": float(group["lr"]), "capturable": False}
        return {
            "adam": adam,
            "schedule": schedule | {"_last_lr": [float(rate) for rate in schedule["_last_lr"]]},
        }

    def set_state(self, state_dict: State) -> None:
        """Continues from `get_state()`.

        Raises:
            LookupError, TypeError, ValueError: It is the state of no optimizer of these parameters.
        """
        own, (adam, schedule) = self.get_state(), (state_dict["adam"], state_dict["schedule"])
        check_alike(own["adam"]["param_groups"], adam["param_groups"])
        check_alike(own["schedule"], schedule)
        self.ready = None  # it holds the moments that are replaced
        self.adam.load_state_dict(adam)
        self.schedule.load_state_dict(schedule)
        for parameter, moments in self.adam.state.items():
            for name, moment in moments.items():
                check_alike(
                    parameter if name.startswith("exp_avg") else moment.new_zeros(()), moment
                )


def laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Returns the gradient as it lies in memory where its parameter does.

    A backward pass leaves it so. One from elsewhere (a recorded graph, an average over processes)
    may lie otherwise. The fused kernel goes through the memory of both, and would take the gradient
    of another number.
    """
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_strided(
        parameter.shape, parameter.stride(), dtype=gradient.dtype, device=gradient.device
    ).copy_(gradient)


def costs_nothing_to_read(device: torch.device) -> bool:
    """Whether a number on `device` can be read without waiting for what is under way there."""
    return device.type == "cpu"
