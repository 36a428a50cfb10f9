"""The conditional VAE of Sohn et al. 2015 on quadrants: some are seen, and predict the others.

It is Pyro's tutorial, with its networks, its rate and its grey pixels, as a pair of programs of the
whole image x: s(x) is what is seen of it, r(x) is the rest. As there, a network that has no latents
is trained first to guess the rest, and p(z|s) is given the image that its guess completes.
"""

from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import constraints

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

SHAPE, LATENT, WIDTH, PASSES = (28, 28), 200, 500, 50


def seen_quadrants(count: int) -> Bool[Tensor, "28 28"]:
    """Returns which pixels are seen: lower left, then all of the left, then all but lower right."""
    seen = torch.zeros(SHAPE, dtype=torch.bool)
    seen[14:, :14] = True
    if count == 2:
        seen[:, :14] = True
    if count == 3:
        seen[:14, :] = True
    return seen


def normal(network: nn.Module, x: Float[Tensor, " N 28 28"]) -> Distribution:
    """Returns N(loc, scale) over z, with both from the network."""
    loc, log_scale = network(x).unbind(-2)
    return dist.Normal(loc, log_scale.exp()).to_event(1)


class Formula(dist.Bernoulli):
    """x log p + (1 − x) log(1 − p) of grey x, too, which is no density; it is what theirs reads."""

    support = constraints.unit_interval


class Pixels(nn.Module):
    """What is seen of an image, and the formula of those pixels that are not."""

    seen: Tensor

    def __init__(self, seen: Bool[Tensor, "28 28"]) -> None:
        super().__init__()
        self.register_buffer("seen", seen)

    def rest(self, logits: Float[Tensor, " N 28 28"]) -> Distribution:
        """Returns the formula, summed over what is not seen."""
        return Formula(logits=logits).mask(~self.seen).to_event(2)


def nothing(x: Float[Tensor, " N 28 28"]) -> Tensor:
    """Draws a latent that says nothing: a pair needs one, and this one's KL is 0 for every draw."""
    return pyro.sample("nothing", dist.Normal(x.new_zeros(len(x)), 1.0))


class Guess(Pixels):
    """p(r|s), every pixel by itself, from a network of what is seen."""

    def __init__(self, seen: Bool[Tensor, "28 28"]) -> None:
        super().__init__(seen)
        self.network = MLP(SHAPE, SHAPE, WIDTH, activation="relu")

    def forward(self, x: Float[Tensor, " N 28 28"]) -> Tensor:
        with pyro.plate("data", len(x)):
            nothing(x)
            return pyro.sample("x", self.rest(self.network(x * self.seen)), obs=x)

    @torch.no_grad()
    def completed(self, x: Float[Tensor, " N 28 28"]) -> Float[Tensor, " N 28 28"]:
        """Returns what is seen of x, and the means of the rest; nothing of this is trained on."""
        return torch.where(self.seen, x, self.network(x * self.seen).sigmoid())


class Nothing(nn.Module):
    """q of `Guess`, which draws nothing but the latent that says nothing."""

    def forward(self, x: Float[Tensor, " N 28 28"]) -> Tensor:
        with pyro.plate("data", len(x)):
            return nothing(x)


class Model(Pixels):
    """p(z|s) p(r|z): z ~ N by a network of s and of a guess of r, and a density of r."""

    def __init__(self, guess: Guess) -> None:
        super().__init__(guess.seen)
        self.guess = guess.requires_grad_(False)
        self.prior = MLP(SHAPE, (2, LATENT), WIDTH, activation="relu")
        self.decoder = MLP((LATENT,), SHAPE, WIDTH, activation="relu")

    def forward(self, x: Float[Tensor, " N 28 28"]) -> Tensor:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", normal(self.prior, self.guess.completed(x)))
            return pyro.sample("x", self.rest(self.decoder(z)), obs=x)


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
    """Returns MNIST with its grey levels / 255; as in theirs, training stops on the test images."""
    parts = mnist(place.data_root).splits
    values = {name: np.divide(part.values, 255, dtype=np.float32) for name, part in parts.items()}
    train = RawSplit(np.concatenate([values["train"], values["valid"]]))
    test = RawSplit(values["test"])
    view = View("unit", limit=60 if place.quick else None)
    return open_dataset(RawData(train, test, test, None), "mnist", view, device)


def trained(
    model: nn.Module, guide: nn.Module, data: Dataset, plan: Train, folder: Path
) -> tuple[nn.Module, nn.Module]:
    """Returns the pair with its best weights, trained or as `folder` has them."""
    pair = model.to(data.train.device), guide.to(data.train.device)
    best = fit(*pair, ELBO(), data, plan, keep=OnDisk(folder)).best()
    for part, name in zip(pair, ("model", "guide"), strict=True):
        part.load_state_dict(best[name])
    return pair


def measure(place: Place, count: int) -> Measured:
    """Returns −ELBO of the rest of the test images, with `count` quadrants seen."""
    data = grey(place, pick_device("auto"))
    folder = place.run(f"quadrants_{count}")
    plan = Train(1 if place.quick else PASSES, 128, 0.001, "constant", warmup_epochs=0, patience=3)
    torch.manual_seed(0)
    guess = Guess(seen_quadrants(count))
    trained(guess, Nothing(), data, plan, folder / "guess")
    pair = trained(Model(guess), Guide(), data, plan, folder)
    parts = (elbo_terms(*pair, part.x, 10) for part in data.test.batches(500))
    found = torch.cat([part.elbo.per_datum for part in parts])
    return alone(-found.cpu().numpy()[None])
