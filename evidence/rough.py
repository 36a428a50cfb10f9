"""Products of matrices in 16 bits, where nothing but speed depends on their last digits.

Hamiltonian proposals are accepted by the exact change of energy, so the forces that lead to them
may come from any function of the position (Neal 2011, section 5.4). With bfloat16's eight bits they
cost half as much, and about as many proposals are accepted.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from evidence.recording.private_torch import cpu_has_bfloat16

PRODUCTS = (F.linear, F.conv2d, F.conv_transpose2d)


class Rough(TorchFunctionMode):
    """Linear layers and convolutions of float32 tensors multiply in bfloat16, nothing else does."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        given = kwargs or {}
        if function in PRODUCTS and (args[0] if args else given["input"]).dtype == torch.float32:
            named = {name: _rounded(value) for name, value in given.items()}
            return function(*map(_rounded, args), **named).float()
        return function(*args, **given)


def pays(device: torch.device) -> bool:
    """Returns whether the device multiplies bfloat16 faster than float32."""
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bfloat16()


def _rounded(value: object) -> object:
    return value.bfloat16() if isinstance(value, Tensor) else value
