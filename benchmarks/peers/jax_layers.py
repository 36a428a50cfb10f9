"""torch's layers in a row as a function in JAX, with their weights as NumPyro's parameters: the same numbers come out.

Images have their channels last, as XLA's convolutions want them on a processor.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpyro
from jax import lax
from torch import nn

from benchmarks.networks import Bias

Parameters = dict[str, Any]


def in_jax(layers: nn.Sequential, name: str) -> Callable[[Any], Any]:
    """`layers` as a function of (N, …); to be called within a NumPyro program, where it registers its parameters."""
    starts = [
        {key: _start(value.detach().numpy()) for key, value in layer.named_parameters()}
        for layer in layers
    ]

    def apply(x: Any) -> Any:
        for i, (layer, start) in enumerate(zip(layers, starts, strict=True)):
            parameters = {
                key: numpyro.param(f"{name}.{i}.{key}", value) for key, value in start.items()
            }
            x = LAYERS[type(layer)](layer, x, **parameters)
        return x

    return apply


def _start(value: Any) -> Any:
    """A bias as it is; weights (out, in, …) as (…, in, out)."""
    return jnp.asarray(value.transpose(*range(2, value.ndim), 1, 0) if value.ndim > 1 else value)


def _linear(layer: Any, x: Any, weight: Any, bias: Any) -> Any:
    return x @ weight + bias


def _convolution(layer: Any, x: Any, weight: Any, bias: Any = 0.0) -> Any:
    padding = [(side, side) for side in layer.padding]
    return (
        lax.conv_general_dilated(
            x, weight, layer.stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        + bias
    )


def _upsample(layer: Any, x: Any) -> Any:
    """Not `repeat`, whose gradient is a scatter, one number after the other."""
    n, height, width, channels = x.shape
    times = int(layer.scale_factor)
    wide = jnp.broadcast_to(x[:, :, None, :, None], (n, height, times, width, times, channels))
    return wide.reshape(n, height * times, width * times, channels)


LAYERS: dict[type[nn.Module], Callable[..., Any]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.Upsample: _upsample,
    nn.Softplus: lambda layer, x: jax.nn.softplus(x),
    nn.GELU: lambda layer, x: jax.nn.gelu(x, approximate=False),
    nn.Unflatten: lambda layer, x: x.reshape(len(x), *layer.unflattened_size).transpose(0, 2, 3, 1),
    nn.Flatten: lambda layer, x: x.transpose(0, 3, 1, 2).reshape(len(x), -1),
    Bias: lambda layer, x, bias: x + bias,
}
