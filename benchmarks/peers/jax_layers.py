"""torch's layers in a row as a function in JAX, with their weights as NumPyro's parameters.

The same numbers come out. Images have their channels last, as XLA's convolutions want them on a
processor.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax import Array, lax
from torch import nn

from benchmarks.networks import Bias


def in_jax(layers: nn.Sequential, name: str) -> Callable[[Array], Array]:
    """Returns `layers` as a function of (N, …).

    It is to be called within a NumPyro program, where it registers its parameters.
    """
    starts = [
        {key: _start(value.detach().numpy()) for key, value in layer.named_parameters()}
        for layer in layers
    ]

    def apply(x: Array) -> Array:
        for i, (layer, start) in enumerate(zip(layers, starts, strict=True)):
            named = {key: numpyro.param(f"{name}.{i}.{key}", w) for key, w in start.items()}
            x = LAYERS[type(layer)](layer, x, **named)
        return x

    return apply


def _start(value: np.ndarray) -> Array:
    """Returns a bias as it is, weights (out, in, …) as (…, in, out)."""
    return jnp.asarray(value.transpose(*range(2, value.ndim), 1, 0) if value.ndim > 1 else value)


def _linear(layer: nn.Linear, x: Array, weight: Array, bias: Array) -> Array:
    return x @ weight + bias


def _convolution(layer: nn.Conv2d, x: Array, weight: Array, bias: Array | float = 0.0) -> Array:
    padding = [(int(side), int(side)) for side in layer.padding]
    axes = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, weight, layer.stride, padding, dimension_numbers=axes)
    return y + bias


def _upsample(layer: nn.Upsample, x: Array) -> Array:
    """Repeats pixels, without `repeat`: its gradient is a scatter, one number after the other."""
    n, height, width, channels = x.shape
    assert isinstance(layer.scale_factor, float)
    times = int(layer.scale_factor)
    wide = jnp.broadcast_to(x[:, :, None, :, None], (n, height, times, width, times, channels))
    return wide.reshape(n, height * times, width * times, channels)


LAYERS: dict[type[nn.Module], Callable[..., Array]] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.Upsample: _upsample,
    nn.Softplus: lambda layer, x: jax.nn.softplus(x),
    nn.GELU: lambda layer, x: jax.nn.gelu(x, approximate=False),
    nn.Unflatten: lambda layer, x: x.reshape(len(x), *layer.unflattened_size).transpose(0, 2, 3, 1),
    nn.Flatten: lambda layer, x: x.transpose(0, 3, 1, 2).reshape(len(x), -1),
    Bias: lambda layer, x, bias: x + bias,
}
