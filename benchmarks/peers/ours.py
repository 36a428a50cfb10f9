"""This project: its components, its optimizer, its step."""

import dataclasses

import pyro
import torch

from benchmarks.networks import Network
from benchmarks.timing import Run
from benchmarks.workload import LEARNING_RATE, Batches
from data.observation import observe
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.fast.svi import FastSVI
from inference.objectives.base import Objective
from inference.objectives.elbo import ELBO
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.priors.standard_normal import StandardNormal


def pair(network: Network) -> tuple[Generative, Amortized]:
    """Makes p(z) p(x|z) and q(z|x), with x of `network.shape`."""
    family = MeanField(network.latent)
    guide = Amortized(network.project(network.shape, (family.num_parameters,)), family)
    decoder = network.project((network.latent,), network.shape)
    return Generative(StandardNormal(network.latent), decoder, Bernoulli(network.shape)), guide


def step_run(
    network: Network, batches: Batches, compiled: bool, objective: Objective | None = None
) -> Run:
    """Makes steps of SVI on `objective`, by default the ELBO."""
    model, guide = (module.to(batches.device) for module in pair(network))
    optimizer = FusedAdam((model, guide), LEARNING_RATE)
    svi = FastSVI(model, guide, optimizer, PerDatum(objective or ELBO()), compiled)
    draw = observe("binary", levels=256).draw
    stream = iter(dataclasses.replace(batches, draw=lambda grey: draw(grey, None)))

    def run(steps: int) -> None:
        torch.set_flush_denormal(True)  # as train.py does; peers run with torch's own setting
        with pyro.validation_enabled(False):
            for _ in range(steps):
                svi.step(next(stream).view(-1, *network.shape))
        torch.set_flush_denormal(False)
        if svi.is_compiled != compiled:
            raise RuntimeError("not compiled")  # FastSVI has said why

    return run


def compiled(network: Network, batches: Batches) -> Run:
    """Makes the step that train.compile=on takes."""
    return step_run(network, batches, compiled=True)


def eager(network: Network, batches: Batches) -> Run:
    """Makes the step that train.compile=off takes."""
    return step_run(network, batches, compiled=False)
