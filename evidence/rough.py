"""Products of matrices in 16 bits, where nothing but speed depends on their last digits.

Hamiltonian proposals are accepted by the exact change of energy, so the forces that lead to them may come from any function
of the position (Neal 2011, section 5.4): with bfloat16's eight bits they cost half, and about as many are accepted.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

PRODUCTS = (F.linear, F.conv2d, F.conv_transpose2d)


class Rough(TorchFunctionMode):
    """Linear layers and convolutions of float32 tensors multiply in bfloat16; everything else is as ever."""

    def __torch_function__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in PRODUCTS and (args[0] if args else kwargs["input"]).dtype == torch.float32:
            args, kwargs = (
                tuple(map(_rounded, args)),
                {name: _rounded(value) for name, value in kwargs.items()},
            )
            return function(*args, **kwargs).float()
        return function(*args, **kwargs)


def pays(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 faster than float32."""
    return (
        torch.cuda.is_bf16_supported()
        if device.type == "cuda"
        else torch.cpu._is_avx512_bf16_supported()
    )


def _rounded(value: Any) -> Any:
    return value.bfloat16() if isinstance(value, Tensor) else value
