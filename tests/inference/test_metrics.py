"""Metrics are means over data; training stops at the epoch that `patience` says."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

from data import View, open_dataset
from data.raw import RawData, RawSplit
from guides.amortized import Amortized
from guides.families.mean_field import MeanField
from inference import loop, metrics
from inference.keeper import Nowhere
from inference.metrics import split_metrics
from inference.objectives.elbo import ELBO
from inference.plan import Train
from inference.refit import refit
from models.generative import Generative
from models.likelihoods.bernoulli import Bernoulli
from models.likelihoods.gaussian import Gaussian
from models.priors.standard_normal import StandardNormal
from networks.mlp import MLP


class Certain(nn.Module):
    """q(z|x) is so narrow that a draw is its mean, and its density known."""

    SCALE = 1e-6

    def forward(self, x):
        with pyro.plate("data", len(x)):
            mean = x.mean(1, keepdim=True)
            return pyro.sample("z", dist.Normal(mean.double(), self.SCALE).to_event(1))


class Known(nn.Module):
    """z ~ N(0, 1), x|z ~ N(z, 1)."""

    def forward(self, x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(1).double(), 1.0).to_event(1))
            return pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x.double())


def rising(rows):
    """Data that grow, so that no block is like another."""
    values = torch.linspace(-2, 5, rows).reshape(-1, 1).expand(-1, 2).numpy()
    split = RawSplit(values.copy())
    return open_dataset(RawData(split, split, split, None), "rising", View("real"))


@pytest.mark.parametrize("rows", [7, 13, 1000])
@pytest.mark.parametrize("block", [5, 12])
def test_metrics_are_means_over_data_and_not_over_blocks(monkeypatch, rows, block):
    monkeypatch.setattr(metrics, "EVALUATION_BATCH", block)
    data = rising(max(rows, 20))
    found = split_metrics(Known(), Certain(), data.train, rows, seed=0)
    x = data.train[:rows].double()
    z = x.mean(1)
    normal = torch.distributions.Normal(0.0, 1.0)
    reconstruction = float(normal.log_prob(x - z.unsqueeze(1)).sum(1).mean())
    # log q of a draw is ½ below its maximum on average; of 7 draws it is 0.27 off at 1 σ.
    entropy = 0.5 + math.log(Certain.SCALE) + 0.5 * math.log(2 * math.pi)
    kl = -entropy - float(normal.log_prob(z).mean())
    assert found["reconstruction"] == pytest.approx(reconstruction, abs=1e-4)
    assert found["kl"] == pytest.approx(kl, abs=5 * math.sqrt(0.5 / rows))
    assert found["elbo"] == pytest.approx(found["reconstruction"] - found["kl"], abs=1e-9)
    assert found["num_examples"] == rows


def test_a_refit_weighs_data_and_not_batches(monkeypatch):
    """The optimal σ of 25 data in batches of 12, 12 and 1, of which the last is far off."""
    monkeypatch.setattr("inference.refit.BATCH", 12)
    data = rising(25)
    likelihood = Gaussian((2,), scale="optimal")
    guide = Amortized(MLP((2,), (4,), layers=0), MeanField(2))
    decoder = MLP((2,), (2,), layers=0)
    for parameter in decoder.parameters():
        nn.init.zeros_(parameter)
    model = Generative(StandardNormal(2), decoder, likelihood)
    refit(model, guide, data.train)
    expected = data.train[:].double().square().mean().sqrt()
    assert likelihood.optimal_scale.item() == pytest.approx(float(expected), rel=1e-6)


SCRIPTS = {
    # The validation ELBO of every epoch, patience, and the epoch after which training stops.
    "it never improves": ([5.0, 4, 3, 2, 1, 0, 0, 0], 3, 4),
    "once more just in time": ([1.0, 0, 0, 2, 0, 0, 0, 0], 3, 7),
    "an equal value is no better": ([1.0, 1, 1, 1, 1, 1, 1, 1], 2, 3),
    "patience of one": ([1.0, 2, 3, 2.5, 9, 9, 9, 9], 1, 4),
    "it always improves": ([1.0, 2, 3, 4, 5, 6, 7, 8], 1, 8),
    "no patience is endless": ([1.0, 0, 0, 0, 0, 0, 0, 0], None, 8),
}


@pytest.mark.parametrize(("elbos", "patience", "stops"), SCRIPTS.values(), ids=SCRIPTS)
def test_training_stops_after_the_epoch_that_patience_says(monkeypatch, elbos, patience, stops):
    def scripted(training, data, seconds):
        base = {"epoch": training.epoch, "reconstruction": 0.0, "kl": 0.0}
        elbo = elbos[training.epoch - 1]
        return [base | {"split": part, "elbo": elbo} for part in ("train", "valid")]

    monkeypatch.setattr(loop, "epoch_metrics", scripted)
    split = RawSplit(torch.randint(2, (6, 3), dtype=torch.uint8).numpy())
    data = open_dataset(RawData(split, split, split, 2), "bits", View("binary", "threshold"))
    guide = Amortized(MLP((3,), (4,), width=4), MeanField(2))
    model = Generative(StandardNormal(2), MLP((2,), (3,), width=4), Bernoulli((3,)))
    plan = Train(epochs=len(elbos), batch_size=6, patience=patience, compile="off")
    training = loop.fit(model, guide, ELBO(), data, plan, keep=Nowhere(), tell=lambda line: None)
    assert training.epoch == stops
    best = max(elbos[:stops])
    assert training.best_elbo == best and training.best_epoch == elbos.index(best) + 1
