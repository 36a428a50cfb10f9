"""Networks for contenders: they start from given weights, which can be read after training."""

import torch
from torch import Tensor, nn

from benchmarks.networks import Convolutional, Network, Perceptron

# Networks like those that are measured.
SMALL = {"perceptron": Perceptron((8, 8), 3), "convolutional": Convolutional(3, width=2)}

# The weights of "encoder" and "decoder".
Weights = dict[str, list[Tensor]]


def weights(module: nn.Module) -> list[nn.Parameter]:
    """The weights by size: an order that this project's network shares with the one by hand."""
    return sorted(module.parameters(), key=lambda parameter: parameter.numel())


def start(network: Network, raw_scale: float = 0.0) -> Weights:
    """Weights from which all start, with `raw_scale` added to the raw scales of the encoder."""
    encoder, decoder = network.encoder(), network.decoder()
    encoder[-1].bias.data[network.latent :] += raw_scale
    return {
        name: [w.detach().clone() for w in weights(end)]
        for name, end in (("encoder", encoder), ("decoder", decoder))
    }


def row(found: Weights) -> Tensor:
    """All weights in one row."""
    return torch.cat([w.flatten() for end in ("encoder", "decoder") for w in found[end]])


class Watched(Network):
    """`network` from `begin`, which holds on to what contenders make of it."""

    def __init__(self, network: Network, begin: Weights) -> None:
        self.network, self.begin, self.made = network, begin, dict[str, nn.Module]()
        self.latent, self.shape = network.latent, network.shape

    def project(self, in_shape, out_shape):
        return self._watch(
            "encoder" if in_shape == self.shape else "decoder",
            self.network.project(in_shape, out_shape),
        )

    def encoder(self):
        return self._watch("encoder", self.network.encoder())

    def decoder(self):
        return self._watch("decoder", self.network.decoder())

    def _watch(self, end: str, module: nn.Module):
        for mine, given in zip(weights(module), self.begin[end], strict=True):
            mine.data.copy_(given.view_as(mine))
        self.made[end] = module
        return module

    @property
    def now(self) -> Weights:
        """What they have become."""
        return {end: [w.detach() for w in weights(module)] for end, module in self.made.items()}

    def take(self, parameters) -> None:
        """Takes weights from JAX: the axes of an image come first, then inputs, then outputs."""
        for name, value in parameters.items():
            end, _, key = name.partition(".")
            array = value.__array__()
            turned = array.transpose(-1, -2, *range(array.ndim - 2)) if array.ndim > 1 else array
            self.made[end].get_parameter(key).data.copy_(torch.tensor(turned))
