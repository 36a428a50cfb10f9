"""A VAE on digits, in one loop of Pyro's own SVI and Trace_ELBO, from this project's parts.

With the same seed it computes the very numbers of `python train.py train.epochs=3
train.compile=off`, bit for bit. Run it from the repository: python -m examples.vae_in_forty_lines
"""

import math

import torch
from pyro.infer import SVI, Trace_ELBO

from data import View, open_dataset
from data.sources import digits
from evidence import elbo
from evidence.training.optimizer import FusedAdam
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference.loop import epoch_batches
from inference.plan import Train
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP
from networks.start import start_each_output

LATENT, SEED, PLAN = 2, 0, Train(epochs=3)


def train() -> tuple[Generative, Amortized]:
    """Returns p_θ(x, z) and q_φ(z|x), trained."""
    data = open_dataset(digits.load(), "digits", View("binary"))
    torch.manual_seed(SEED)
    encoder = MLP(data.shape, (2 * LATENT,))  # x ↦ mean and scale of q(z|x)
    start_each_output(encoder)
    guide = Amortized(encoder, MeanField(LATENT))
    likelihood = Bernoulli(data.shape)
    decoder = MLP((LATENT,), likelihood.parameter_shape)  # z ↦ the logits of x
    decoder.start_at(likelihood.start(data.mean))  # training starts where E[x|z] is the mean image
    model = Generative(StandardNormal(LATENT), decoder, likelihood)

    bound = Trace_ELBO()
    rate = PLAN.rate_factor(steps=math.ceil(len(data.train) / PLAN.batch_size))
    svi = SVI(
        model,
        guide,
        FusedAdam((model, guide), PLAN.learning_rate, rate),
        loss=lambda p, q, x: bound.differentiable_loss(p, q, x) / len(x),  # nats per datum
    )
    for epoch in range(PLAN.epochs):
        for batch in epoch_batches(data.train, PLAN.batch_size, SEED, epoch):
            svi.step(*batch)
        print(f"epoch {epoch + 1}: validation {elbo(model, guide, data.valid[:]).mean:.2f} nats")
    return model, guide


if __name__ == "__main__":
    torch.set_flush_denormal(True)  # as train.py does: Adam's moments would become slow to compute
    train()
