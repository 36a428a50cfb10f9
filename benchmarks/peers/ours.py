"""This project: its components, its optimiser, its step."""

from typing import Any

import pyro
import torch

from benchmarks.timing import Run
from benchmarks.workload import LEARNING_RATE, PIXELS, Batches, Network
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.objectives.elbo import ELBO
from inference.optimiser import FusedAdam
from inference.step import Step
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP


def pair(network: Network) -> tuple[torch.nn.Module, torch.nn.Module]:
    """p(z) p(x|z) and q(z|x)."""
    width, layers, family = network.hidden[0], len(network.hidden), MeanField(network.latent)
    guide = Amortized(MLP((PIXELS,), (family.num_parameters,), width, layers, "softplus"), family)
    decoder = MLP((network.latent,), (PIXELS,), width, layers, "softplus")
    return Generative(StandardNormal(network.latent), decoder, Bernoulli((PIXELS,))), guide


def step_run(network: Network, batches: Batches, compiled: bool, objective: Any = None) -> Run:
    """Steps of SVI on `objective` (the ELBO)."""
    model, guide = (module.to(batches.device) for module in pair(network))
    step = Step(model, guide, FusedAdam((model, guide), LEARNING_RATE), objective or ELBO(), compiled)
    stream = iter(batches)

    def run(steps: int) -> None:
        torch.set_flush_denormal(True)  # as train.py does; the peers run with what torch does by itself
        with pyro.validation_enabled(False):
            for _ in range(steps):
                step(next(stream))
        torch.set_flush_denormal(False)
        if step.is_compiled != compiled:
            raise RuntimeError(f"not compiled: {step.loss.why_eager}")

    return run


def compiled(network: Network, batches: Batches) -> Run:
    """train.compile=on."""
    return step_run(network, batches, compiled=True)


def eager(network: Network, batches: Batches) -> Run:
    """train.compile=off."""
    return step_run(network, batches, compiled=False)
