"""The conditional VAE of Sohn et al. 2015 on quadrants: some are seen, and predict the others.

It is Pyro's tutorial, with its networks, its rate and its grey pixels, as a pair of programs of the
whole image x: s(x) is what is seen of it, r(x) is the rest.
"""

from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from data.dataset import Dataset, open_dataset
from data.raw import RawData, RawSplit
from data.sources.vision import mnist
from data.view import View
from evidence import elbo_terms
from experiment.checkpoints import Checkpoints, State
from experiment.device import pick_device
from inference.keeper import Nowhere
from inference.loop import fit
from inference.objectives.elbo import ELBO
from inference.plan import Train
from models.distributions import Distribution
from networks.mlp import MLP
from published.place import Place
from published.reading import alone
from published.verdict import Measured

SHAPE, LATENT, WIDTH, PASSES = (28, 28), 200, 500, 10


def seen_quadrants(count: int) -> Bool[Tensor, "28 28"]:
    """Returns which pixels are seen: lower left, then all of the left, then all but upper right."""
    seen = torch.zeros(SHAPE, dtype=torch.bool)
    seen[14:, :14] = True
    if count == 2:
        seen[:, :14] = True
    if count == 3:
        seen[14:, :] = seen[:, :14] = True
    return seen


def normal(network: nn.Module, x: Float[Tensor, " N 28 28"]) -> Distribution:
    """Returns N(loc, scale) over z, with both from the network."""
    loc, log_scale = network(x).unbind(-2)
    return dist.Normal(loc, log_scale.exp()).to_event(1)


class Model(nn.Module):
    """p(z|s) p(r|z): z ~ N by a network of what is seen, and a density of the other pixels."""

    seen: Tensor

    def __init__(self, seen: Bool[Tensor, "28 28"]) -> None:
        super().__init__()
        self.register_buffer("seen", seen)
        self.prior = MLP(SHAPE, (2, LATENT), WIDTH, activation="relu")
        self.decoder = MLP((LATENT,), SHAPE, WIDTH, activation="relu")

    def forward(self, x: Float[Tensor, " N 28 28"]) -> Tensor:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", normal(self.prior, x * self.seen))
            # x log p + (1 − x) log(1 − p), on grey pixels, too, as its values are not checked.
            pixels = dist.Bernoulli(logits=self.decoder(z), validate_args=False)
            return pyro.sample("x", pixels.mask(~self.seen).to_event(2), obs=x)


class Guide(nn.Module):
    """q(z|s, r), by a network of the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = MLP(SHAPE, (2, LATENT), WIDTH, activation="relu")

    def forward(self, x: Float[Tensor, " N 28 28"]) -> Tensor:
        with pyro.plate("data", len(x)):
            return pyro.sample("z", normal(self.encoder, x))


class OnDisk(Nowhere):
    """Keeps what training goes on from in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoints = Checkpoints(folder)

    def saved_state(self) -> State | None:
        return self.checkpoints.state()

    def save(self, state: State, best: State) -> None:
        self.checkpoints.save(state, best)


def grey(place: Place, device: torch.device) -> Dataset:
    """Returns MNIST with its grey levels / 255, 50,000 images to train on."""
    raw = mnist(place.data_root)
    train, valid, test = (
        RawSplit(np.divide(part.values, 255, dtype=np.float32)) for part in raw.splits.values()
    )
    view = View("unit", limit=60 if place.quick else None)
    return open_dataset(RawData(train, valid, test, None), "mnist", view, device)


def measure(place: Place, count: int) -> Measured:
    """Returns −ELBO of the rest of the test images, with `count` quadrants seen."""
    device, folder = pick_device("auto"), place.run(f"quadrants_{count}")
    data = grey(place, device)
    torch.manual_seed(0)
    model, guide = Model(seen_quadrants(count)).to(device), Guide().to(device)
    plan = Train(1 if place.quick else PASSES, 128, 0.001, patience=3)
    with pyro.validation_enabled(False):
        best = fit(model, guide, ELBO(), data, plan, keep=OnDisk(folder)).best()
        model.load_state_dict(best["model"])
        guide.load_state_dict(best["guide"])
        parts = (elbo_terms(model, guide, part.x, 10) for part in data.test.batches(500))
        found = torch.cat([part.elbo.per_datum for part in parts])
    return alone(-found.cpu().numpy()[None])
