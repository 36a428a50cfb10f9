"""The semi-supervised VAE (M2) of Pyro's examples as a pair, and Pyro's ELBO beside log p(x).

    python -m examples.other_libraries.pyro_semisupervised_pair

`SSVAE` has the programs of https://github.com/pyro-ppl/pyro/blob/dev/examples/vae/ss_vae_M2.py: the
same sites, plate and arguments, written anew, with smaller networks (Kingma et al. 2014). `pair`
takes theirs as well. The label is discrete beside a continuous z, so log p(x) is summed over it:
p(x) = Σ_y p(x, y), one bound on log p(x, y) for every y.
"""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, TraceEnum_ELBO, config_enumerate
from pyro.optim import Adam
from sklearn.datasets import load_digits
from torch import Tensor, nn

from evidence import Annealing, Estimate, bracket, elbo, iwae
from evidence.structure import Program
from examples.measure_your_own_pair import binary_digits
from examples.other_libraries.table import Reading, show

PIXELS, LABELS, LATENTS, HIDDEN = 64, 10, 4, 64
EPOCHS, BATCH_SIZE, TEST, SUPERVISED_EVERY = 15, 100, 15, 4


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Returns a network with one hidden layer."""
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, outputs))


def joined(one: Tensor, other: Tensor) -> Tensor:
    """Returns rows beside rows, of which either may have a dimension more, of every label."""
    shape = torch.broadcast_shapes(one.shape[:-1], other.shape[:-1])
    return torch.cat([one.expand(*shape, -1), other.expand(*shape, -1)], -1)


class SSVAE(nn.Module):
    """p(z) p(y) p(x|y, z), and q(y|x) q(z|x, y), for images with labels and without."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder_y = perceptron(PIXELS, LABELS)
        self.encoder_z = perceptron(PIXELS + LABELS, 2 * LATENTS)
        self.decoder = perceptron(LATENTS + LABELS, PIXELS)

    def model(self, xs: Tensor, ys: Tensor | None = None) -> None:
        """Draws a style z and a label y, and observes x."""
        pyro.module("ss_vae", self)
        with pyro.plate("data"):
            origin = xs.new_zeros(len(xs), LATENTS)
            zs = pyro.sample("z", dist.Normal(origin, torch.ones_like(origin)).to_event(1))
            uniform = xs.new_ones(len(xs), LABELS) / LABELS
            ys = pyro.sample("y", dist.OneHotCategorical(uniform), obs=ys)
            logits = self.decoder(joined(zs, ys))
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=xs)

    def guide(self, xs: Tensor, ys: Tensor | None = None) -> None:
        """Draws y given x where it is not known, and z given both."""
        with pyro.plate("data"):
            if ys is None:
                ys = pyro.sample("y", dist.OneHotCategorical(logits=self.encoder_y(xs)))
            loc, log_scale = self.encoder_z(joined(xs, ys)).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))


def pair(vae: SSVAE) -> tuple[Program, Program]:
    """Returns p(x, y, z) and q(z|x, y), which bound log p(x, y)."""
    return vae.model, vae.guide


def over_labels(each: Estimate) -> Estimate:
    """Returns log Σ_y exp of bounds on log p(x, y), label by label: a bound on the same side."""
    columns = each.per_datum.unflatten(0, (LABELS, -1))
    return Estimate(columns.logsumexp(0), each.kind, each.particles)


def main() -> dict[str, Reading]:
    """Trains with few labels, and reads log p(x) of digits without one in several ways."""
    pyro.set_rng_seed(0)
    pyro.clear_param_store()
    vae, (x, test) = SSVAE(), binary_digits()
    y = nn.functional.one_hot(torch.tensor(load_digits().target), LABELS).float()
    loss = TraceEnum_ELBO(max_plate_nesting=1, strict_enumeration_warning=False)
    svi = SVI(vae.model, config_enumerate(vae.guide), Adam({"lr": 5e-3}), loss)
    for _ in range(EPOCHS):
        for number, rows in enumerate(torch.randperm(len(x)).split(BATCH_SIZE)):
            svi.step(x[rows], *([] if number % SUPERVISED_EVERY else [y[rows]]))
    x = test[:TEST]
    losses = [svi.evaluate_loss(x) for _ in range(20)]
    found: dict[str, Reading] = {"Pyro: −evaluate_loss(), 20 times": -sum(losses) / 20 / TEST}
    model, guide = pair(vae)
    every = x.repeat(LABELS, 1), torch.eye(LABELS).repeat_interleave(TEST, 0)
    both = bracket(model, guide, every, Annealing(30, chains=2, leapfrogs=5, start="guide"))
    found["Σ_y of ELBO"] = over_labels(elbo(model, guide, every))
    found["Σ_y of IWAE-1000"] = over_labels(iwae(model, guide, every, 1000))
    found["Σ_y of AIS-30"] = over_labels(both.lower)
    found["Σ_y of reverse AIS-30"] = over_labels(both.upper)
    show(found)
    return found


if __name__ == "__main__":
    main()
