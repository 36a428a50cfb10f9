"""The deep Markov model of Pyro's examples as a pair, and Pyro's ELBO beside log p(x_1:T).

    python -m examples.other_libraries.pyro_dmm_pair

`DMM` has the programs of https://github.com/pyro-ppl/pyro/blob/dev/examples/dmm.py: the same sites,
plates, masks and arguments, written anew, with smaller networks (Krishnan, Shalit & Sontag 2017).
`pair` takes theirs as well: it calls `model` and `guide` with their four arguments.
"""

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.contrib.examples import polyphonic_data_loader as poly
from pyro.infer import SVI, Trace_ELBO
from pyro.optim import Adam
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from evidence import Annealing, ais, elbo, iwae
from evidence.structure import Program
from examples.other_libraries.table import Reading, show

NOTES, LATENTS, HIDDEN, STEPS = 12, 4, 32, 8
SEQUENCES, TEST, EPOCHS, BATCH_SIZE = 300, 20, 40, 50


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Returns a network with one hidden layer."""
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


class Gaussian(nn.Module):
    """The mean and the standard deviation of a latent, given something."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.network = perceptron(inputs, 2 * LATENTS)

    def forward(self, given: Tensor) -> tuple[Tensor, Tensor]:
        loc, scale = self.network(given).chunk(2, -1)
        return loc, nn.functional.softplus(scale)


class DMM(nn.Module):
    """p(x_1:T, z_1:T), and a guide that reads the rest of the sequence backwards."""

    def __init__(self) -> None:
        super().__init__()
        self.trans, self.emitter = Gaussian(LATENTS), perceptron(LATENTS, NOTES)
        self.combiner = Gaussian(LATENTS + HIDDEN)
        self.rnn = nn.RNN(NOTES, HIDDEN, nonlinearity="relu", batch_first=True)
        self.z_0, self.z_q_0 = nn.Parameter(torch.zeros(2, LATENTS))

    def model(
        self, mini_batch: Tensor, reversed_: PackedSequence, mask: Tensor, lengths: Tensor
    ) -> None:
        """Draws z_t given z_{t−1}, and observes x_t given z_t; steps beyond the end are masked."""
        pyro.module("dmm", self)
        z = self.z_0.expand(len(mini_batch), LATENTS)
        with pyro.plate("z_minibatch", len(mini_batch)):
            for t in pyro.markov(range(1, mini_batch.size(1) + 1)):
                counted = mask[:, t - 1 : t]
                z = pyro.sample(f"z_{t}", dist.Normal(*self.trans(z)).mask(counted).to_event(1))
                notes = dist.Bernoulli(logits=self.emitter(z)).mask(counted).to_event(1)
                pyro.sample(f"obs_x_{t}", notes, obs=mini_batch[:, t - 1, :])

    def guide(
        self, mini_batch: Tensor, reversed_: PackedSequence, mask: Tensor, lengths: Tensor
    ) -> None:
        """Draws z_t given z_{t−1} and x_t … x_T."""
        pyro.module("dmm", self)
        rest = poly.pad_and_reverse(self.rnn(reversed_)[0], lengths)
        z = self.z_q_0.expand(len(mini_batch), LATENTS)
        with pyro.plate("z_minibatch", len(mini_batch)):
            for t in pyro.markov(range(1, mini_batch.size(1) + 1)):
                loc, scale = self.combiner(torch.cat([z, rest[:, t - 1]], 1))
                counted = mask[:, t - 1 : t]
                z = pyro.sample(f"z_{t}", dist.Normal(loc, scale).mask(counted).to_event(1))


def arguments(x: Tensor, lengths: Tensor) -> tuple[Tensor, PackedSequence, Tensor, Tensor]:
    """Returns what Pyro's programs take, of sequences (N, T, notes) in any order."""
    backwards = poly.reverse_sequences(x, lengths)
    packed = pack_padded_sequence(backwards, lengths, batch_first=True, enforce_sorted=False)
    return x, packed, poly.get_mini_batch_mask(x, lengths), lengths


class MaskOfSite(Messenger):
    """Makes of a mask inside a distribution one of the site, where whole data are masked."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if isinstance(msg["fn"], dist.Independent):
            inside = msg["fn"].base_dist
            msg["fn"], msg["mask"] = inside.base_dist.to_event(1), inside._mask[:, 0].bool()


def pair(dmm: DMM) -> tuple[Program, Program]:
    """Returns p(x_1:T, z_1:T) and q(z_1:T|x_1:T) as programs of (x, lengths)."""

    def model(x: Tensor, lengths: Tensor) -> None:
        with MaskOfSite():
            dmm.model(*arguments(x, lengths))

    def guide(x: Tensor, lengths: Tensor) -> None:
        with MaskOfSite():
            dmm.guide(*arguments(x, lengths))

    return model, guide


def tunes(count: int) -> tuple[Tensor, Tensor]:
    """Returns chords that wander over the notes, and their lengths, between 4 and 8."""
    lengths = torch.randint(STEPS // 2, STEPS + 1, (count,))
    walk = torch.randint(-1, 2, (count, STEPS)).cumsum(1) + torch.randint(0, NOTES, (count, 1))
    notes = (walk.unsqueeze(2) + torch.tensor([0, 4, 7])) % NOTES
    x = torch.zeros(count, STEPS, NOTES).scatter(2, notes, 1.0)
    return x * (torch.arange(STEPS) < lengths.unsqueeze(1)).unsqueeze(2), lengths


def main() -> dict[str, Reading]:
    """Trains on simulated chords, and reads log p(x_1:T) of others in several ways."""
    pyro.set_rng_seed(0)
    pyro.clear_param_store()
    dmm, (x, lengths) = DMM(), tunes(SEQUENCES + TEST)
    svi = SVI(dmm.model, dmm.guide, Adam({"lr": 1e-2}), Trace_ELBO())
    for _ in range(EPOCHS):
        for rows in torch.randperm(SEQUENCES).split(BATCH_SIZE):
            svi.step(*arguments(x[rows], lengths[rows]))
    test = x[SEQUENCES:], lengths[SEQUENCES:]
    losses = [svi.evaluate_loss(*arguments(*test)) for _ in range(20)]
    loss, total = sum(losses) / len(losses), int(test[1].sum())
    print(
        f"Pyro's example divides by {total} steps, not by sequences: {loss / total:.3f} nats a step"
    )
    model, guide = pair(dmm)
    found: dict[str, Reading] = {"Pyro: −evaluate_loss(), 20 times": -loss / TEST}
    found |= {"ELBO": elbo(model, guide, test)}
    found |= {f"IWAE-{k}": iwae(model, guide, test, k) for k in (10, 1000)}
    found["AIS-100"] = ais(model, guide, test, Annealing(100, chains=4, leapfrogs=5, start="guide"))
    show(found)
    return found


if __name__ == "__main__":
    main()
