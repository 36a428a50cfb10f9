"""Networks, which map z to parameters of p(x|z), and x to parameters of q(z|x)."""

from networks.base import Network
from networks.conv import Conv
from networks.gated_mlp import GatedMLP
from networks.inputs import LogCounts, Scaled
from networks.mlp import MLP
from networks.resnet import ResNet

__all__ = ["MLP", "Conv", "GatedMLP", "LogCounts", "Network", "ResNet", "Scaled"]
