"""Small programs of the kinds that Pyro's own examples are of, written as they write them."""

from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO, config_enumerate
from torch import Tensor, nn

from evidence.training.loss import Differentiable


class Program(NamedTuple):
    """A pair, the loss that its example trains it with, and two calls' arguments."""

    model: Any
    guide: Any
    loss: Differentiable
    calls: list[tuple[Any, ...]]


def bits(*shape: int) -> Tensor:
    """Draws bits, 40 % of them ones."""
    return torch.bernoulli(torch.full(shape, 0.4))


class SemiSupervised(nn.Module):
    """examples/vae/ss_vae_M2.py: y is enumerated where it is not given."""

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Linear(6, 3)
        self.latent = nn.Linear(9, 4)
        self.decode = nn.Linear(5, 6)

    def model(self, xs: Tensor, ys: Tensor | None = None) -> None:
        """Draws the latents and observes the data."""
        pyro.module("ss_vae", self)
        with pyro.plate("data", xs.size(0)):
            z = pyro.sample("z", dist.Normal(xs.new_zeros(2), xs.new_ones(2)).to_event(1))
            prior = xs.new_ones(xs.size(0), 3) / 3
            ys = pyro.sample("y", dist.OneHotCategorical(prior), obs=ys)
            both = torch.cat([z.expand(*ys.shape[:-1], 2), ys], -1)
            pyro.sample("x", dist.Bernoulli(logits=self.decode(both)).to_event(1), obs=xs)

    def guide(self, xs: Tensor, ys: Tensor | None = None) -> None:
        """Draws the latents given the data."""
        with pyro.plate("data", xs.size(0)):
            if ys is None:
                ys = pyro.sample("y", dist.OneHotCategorical(logits=self.label(xs)))
            both = torch.cat([xs.expand(*ys.shape[:-1], 6), ys], -1)
            location, scale = self.latent(both).chunk(2, -1)
            pyro.sample("z", dist.Normal(location, F.softplus(scale)).to_event(1))


def semi_supervised() -> Program:
    """Makes the semi-supervised VAE: data without labels, and with."""
    pair = SemiSupervised()
    guide = config_enumerate(pair.guide, "parallel", expand=True)
    loss = TraceEnum_ELBO(max_plate_nesting=1)
    labels = F.one_hot(torch.tensor([0, 1, 2, 0, 1]), 3).float()
    return Program(pair.model, guide, loss, [(bits(5, 6),), (bits(5, 6), labels)])


class Sequences(nn.Module):
    """examples/dmm.py: a loop over time, masks of lengths, and an annealed weight of the KL."""

    def __init__(self) -> None:
        super().__init__()
        self.transition, self.emission = nn.Linear(2, 4), nn.Linear(2, 6)
        self.rnn = nn.RNN(6, 3, batch_first=True)
        self.combine = nn.Linear(5, 4)
        self.z_0, self.z_q_0 = (nn.Parameter(torch.zeros(2)) for _ in range(2))
        self.h_0 = nn.Parameter(torch.zeros(1, 1, 3))

    def model(self, xs: Tensor, mask: Tensor, annealing: float = 1.0) -> None:
        """Draws the latents and observes the data."""
        pyro.module("dmm", self)
        z = self.z_0.expand(xs.size(0), 2)
        with pyro.plate("z_minibatch", xs.size(0)):
            for t in pyro.markov(range(1, xs.size(1) + 1)):
                location, scale = self.transition(z).chunk(2, -1)
                with poutine.scale(scale=annealing):
                    q = dist.Normal(location, F.softplus(scale)).mask(mask[:, t - 1 : t])
                    z = pyro.sample(f"z_{t}", q.to_event(1))
                p = dist.Bernoulli(logits=self.emission(z)).mask(mask[:, t - 1 : t]).to_event(1)
                pyro.sample(f"x_{t}", p, obs=xs[:, t - 1, :])

    def guide(self, xs: Tensor, mask: Tensor, annealing: float = 1.0) -> None:
        """Draws the latents given the data."""
        pyro.module("dmm", self)
        hidden, _ = self.rnn(xs, self.h_0.expand(1, xs.size(0), 3).contiguous())
        z = self.z_q_0.expand(xs.size(0), 2)
        with pyro.plate("z_minibatch", xs.size(0)):
            for t in pyro.markov(range(1, xs.size(1) + 1)):
                both = torch.cat([z, hidden[:, t - 1, :]], -1)
                location, scale = self.combine(both).chunk(2, -1)
                q = dist.Normal(location, F.softplus(scale))
                with poutine.scale(scale=annealing):
                    z = pyro.sample(f"z_{t}", q.mask(mask[:, t - 1 : t]).to_event(1))


def sequences() -> Program:
    """Makes the deep Markov model, for sequences of three lengths."""
    pair = Sequences()
    mask = (torch.arange(4) < torch.tensor([4, 2, 3])[:, None]).float()
    calls = [(bits(3, 4, 6), mask, 0.5), (bits(3, 4, 6), mask, 0.5)]
    return Program(pair.model, pair.guide, Trace_ELBO(), calls)


class Topics(nn.Module):
    """examples/prodlda: batch norm and dropout in training mode; counts of words.

    A bias before batch norm would have no gradient but rounding, which Adam follows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.norm = nn.Linear(7, 4, bias=False), nn.BatchNorm1d(4)
        self.drop, self.decode = nn.Dropout(0.2), nn.Linear(2, 7, bias=False)
        self.norm_of_words = nn.BatchNorm1d(7, affine=False)

    def model(self, docs: Tensor) -> None:
        """Draws the latents and observes the data."""
        pyro.module("decoder", self.decode)
        with pyro.plate("documents", docs.shape[0]):
            zero, one = docs.new_zeros((docs.shape[0], 2)), docs.new_ones((docs.shape[0], 2))
            theta = pyro.sample("logtheta", dist.Normal(zero, one).to_event(1)).softmax(-1)
            words = self.norm_of_words(self.decode(self.drop(theta))).softmax(-1)
            pyro.sample("obs", dist.Multinomial(9, words), obs=docs)

    def guide(self, docs: Tensor) -> None:
        """Draws the latents given the data."""
        pyro.module("encoder", self.encode)
        with pyro.plate("documents", docs.shape[0]):
            location, log_scale = self.norm(self.encode(docs)).chunk(2, -1)
            q = dist.Normal(location, (0.5 * log_scale).exp())
            pyro.sample("logtheta", q.to_event(1))


def topics() -> Program:
    """Makes the topic model, and counts of the words of two batches of documents."""
    pair = Topics()
    docs = [dist.Multinomial(9, torch.ones(7) / 7).sample((6,)) for _ in range(2)]
    loss = TraceMeanField_ELBO()
    return Program(pair.model, pair.guide, loss, [(x,) for x in docs])


def deep_exponential_family() -> Program:
    """examples/sparse_gamma_def.py: functions, whose parameters are in Pyro's store alone."""

    def model(x: Tensor) -> None:
        with pyro.plate("weights", 6):
            w = pyro.sample("w", dist.Gamma(torch.tensor(0.3), torch.tensor(0.3)))
        with pyro.plate("data", x.shape[0]):
            z = pyro.sample("z", dist.Gamma(torch.tensor(0.5), torch.tensor(0.5)))
            pyro.sample("x", dist.Poisson(z[:, None] * w).to_event(1), obs=x)

    def guide(x: Tensor) -> None:
        positive = dist.constraints.positive
        shape = pyro.param("shape_w", lambda: torch.full((6,), 2.0), constraint=positive)
        rate = pyro.param("rate_w", lambda: torch.full((6,), 1.5), constraint=positive)
        with pyro.plate("weights", 6):
            pyro.sample("w", dist.Gamma(shape, rate))
        shape = pyro.param("shape_z", lambda: torch.full((4,), 2.0), constraint=positive)
        with pyro.plate("data", x.shape[0]):
            pyro.sample("z", dist.Gamma(shape, torch.tensor(2.0)))

    calls = [(torch.poisson(torch.ones(4, 6)),) for _ in range(2)]
    return Program(model, guide, Trace_ELBO(), calls)


def subsampled() -> Program:
    """tutorial svi_part_ii: a plate that takes some of the data, others at every step."""
    layer = nn.Linear(3, 1)

    def model(x: Tensor, y: Tensor) -> None:
        pyro.module("regression", layer)
        b = pyro.sample("b", dist.Normal(torch.zeros(()), 1.0))
        with pyro.plate("data", len(x), subsample_size=4) as some:
            pyro.sample("y", dist.Normal(layer(x[some]).squeeze(-1) + b, 0.5), obs=y[some])

    def guide(x: Tensor, y: Tensor) -> None:
        location = pyro.param("location", torch.tensor(0.1))
        pyro.sample("b", dist.Normal(location, 0.3))

    x = torch.randn(12, 3)
    return Program(model, guide, Trace_ELBO(), [(x, x.sum(-1))] * 2)


def conditional() -> Program:
    """examples/cvae: two tensors, of which one is given to both programs."""
    decode, encode = nn.Linear(5, 6), nn.Linear(9, 4)

    def model(xs: Tensor, ys: Tensor) -> None:
        pyro.module("generation_net", decode)
        with pyro.plate("data", xs.shape[0]):
            z = pyro.sample("z", dist.Normal(xs.new_zeros(2), xs.new_ones(2)).to_event(1))
            logits = decode(torch.cat([z, xs], -1))
            pyro.sample("y", dist.Bernoulli(logits=logits).to_event(1), obs=ys)

    def guide(xs: Tensor, ys: Tensor) -> None:
        pyro.module("recognition_net", encode)
        with pyro.plate("data", xs.shape[0]):
            location, scale = encode(torch.cat([ys, xs], -1)).chunk(2, -1)
            pyro.sample("z", dist.Normal(location, F.softplus(scale)).to_event(1))

    return Program(model, guide, Trace_ELBO(), [(bits(5, 3), bits(5, 6)) for _ in range(2)])


PROGRAMS = {
    make.__name__: make
    for make in (
        conditional,
        deep_exponential_family,
        semi_supervised,
        sequences,
        subsampled,
        topics,
    )
}
