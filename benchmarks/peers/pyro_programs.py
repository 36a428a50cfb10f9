"""Programs of the kinds that Pyro's own examples are of, written as they write them.

They have a few units in each layer, unless they are made by the sizes in `AS_THEIRS`, which are
those of the examples.
"""

from collections.abc import Callable, Mapping
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
    """A pair, the loss that its example trains it with, and two calls' arguments.

    `modules` have all of its parameters, if there are any; else Pyro's store alone has them.
    """

    model: Any
    guide: Any
    loss: Differentiable
    calls: list[tuple[Any, ...]]
    modules: tuple[nn.Module, ...] = ()


def bits(*shape: int) -> Tensor:
    """Draws bits, 40 % of them ones."""
    return torch.bernoulli(torch.full(shape, 0.4))


def layers(inputs: int, hidden: int, outputs: int) -> nn.Module:
    """Makes a network with a hidden layer of that many units, or none."""
    if not hidden:
        return nn.Linear(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Softplus(), nn.Linear(hidden, outputs))


class SemiSupervised(nn.Module):
    """examples/vae/ss_vae_M2.py: y is enumerated where it is not given."""

    def __init__(self, pixels: int, labels: int, hidden: int, latents: int) -> None:
        super().__init__()
        self.labels, self.latents = labels, latents
        self.label = layers(pixels, hidden, labels)
        self.latent = layers(pixels + labels, hidden, 2 * latents)
        self.decode = layers(latents + labels, hidden, pixels)

    def model(self, xs: Tensor, ys: Tensor | None = None) -> None:
        """Draws the latents and observes the data."""
        pyro.module("ss_vae", self)
        with pyro.plate("data", xs.size(0)):
            zero, one = xs.new_zeros(self.latents), xs.new_ones(self.latents)
            z = pyro.sample("z", dist.Normal(zero, one).to_event(1))
            prior = xs.new_ones(xs.size(0), self.labels) / self.labels
            ys = pyro.sample("y", dist.OneHotCategorical(prior), obs=ys)
            both = torch.cat([z.expand(*ys.shape[:-1], self.latents), ys], -1)
            pyro.sample("x", dist.Bernoulli(logits=self.decode(both)).to_event(1), obs=xs)

    def guide(self, xs: Tensor, ys: Tensor | None = None) -> None:
        """Draws the latents given the data."""
        with pyro.plate("data", xs.size(0)):
            if ys is None:
                ys = pyro.sample("y", dist.OneHotCategorical(logits=self.label(xs)))
            both = torch.cat([xs.expand(*ys.shape[:-1], xs.size(-1)), ys], -1)
            location, scale = self.latent(both).chunk(2, -1)
            pyro.sample("z", dist.Normal(location, F.softplus(scale)).to_event(1))


def semi_supervised(
    data: int = 5, pixels: int = 6, labels: int = 3, hidden: int = 0, latents: int = 2
) -> Program:
    """Makes the semi-supervised VAE: data without labels, and with."""
    pair = SemiSupervised(pixels, labels, hidden, latents)
    guide = config_enumerate(pair.guide, "parallel", expand=True)
    loss = TraceEnum_ELBO(max_plate_nesting=1)
    given = F.one_hot(torch.arange(data) % labels, labels).float()
    calls: list[tuple[Any, ...]] = [(bits(data, pixels),), (bits(data, pixels), given)]
    return Program(pair.model, guide, loss, calls, (pair,))


class Sequences(nn.Module):
    """examples/dmm.py: a loop over time, masks of lengths, and an annealed weight of the KL."""

    def __init__(self, notes: int, hidden: int, latents: int, memory: int) -> None:
        super().__init__()
        self.transition = layers(latents, hidden, 2 * latents)
        self.emission = layers(latents, hidden, notes)
        self.rnn = nn.RNN(notes, memory, batch_first=True)
        self.combine = nn.Linear(latents + memory, 2 * latents)
        self.z_0, self.z_q_0 = (nn.Parameter(torch.zeros(latents)) for _ in range(2))
        self.h_0 = nn.Parameter(torch.zeros(1, 1, memory))

    def model(self, xs: Tensor, mask: Tensor, annealing: float = 1.0) -> None:
        """Draws the latents and observes the data."""
        pyro.module("dmm", self)
        z = self.z_0.expand(xs.size(0), -1)
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
        hidden, _ = self.rnn(xs, self.h_0.expand(1, xs.size(0), -1).contiguous())
        z = self.z_q_0.expand(xs.size(0), -1)
        with pyro.plate("z_minibatch", xs.size(0)):
            for t in pyro.markov(range(1, xs.size(1) + 1)):
                both = torch.cat([z, hidden[:, t - 1, :]], -1)
                location, scale = self.combine(both).chunk(2, -1)
                q = dist.Normal(location, F.softplus(scale))
                with poutine.scale(scale=annealing):
                    z = pyro.sample(f"z_{t}", q.mask(mask[:, t - 1 : t]).to_event(1))


def sequences(
    *,
    data: int = 3,
    steps: int = 4,
    notes: int = 6,
    hidden: int = 0,
    latents: int = 2,
    memory: int = 3,
) -> Program:
    """Makes the deep Markov model, for sequences of several lengths."""
    pair = Sequences(notes, hidden, latents, memory)
    lengths = steps - torch.arange(data) * 2 % steps
    mask = (torch.arange(steps) < lengths[:, None]).float()
    calls = [(bits(data, steps, notes), mask, 0.5) for _ in range(2)]
    return Program(pair.model, pair.guide, Trace_ELBO(), calls, (pair,))


class Topics(nn.Module):
    """examples/prodlda: batch norm and dropout in training mode; counts of words.

    A bias before batch norm would have no gradient but rounding, which Adam follows.
    """

    def __init__(self, vocabulary: int, topics: int, hidden: int) -> None:
        super().__init__()
        last = nn.Linear(hidden or vocabulary, 2 * topics, bias=False)
        first = [nn.Linear(vocabulary, hidden), nn.Softplus()] if hidden else []
        self.encode, self.norm = nn.Sequential(*first, last), nn.BatchNorm1d(2 * topics)
        self.drop, self.decode = nn.Dropout(0.2), nn.Linear(topics, vocabulary, bias=False)
        self.norm_of_words = nn.BatchNorm1d(vocabulary, affine=False)
        self.topics = topics

    def model(self, docs: Tensor) -> None:
        """Draws the latents and observes the data."""
        pyro.module("decoder", self.decode)
        with pyro.plate("documents", docs.shape[0]):
            shape = docs.shape[0], self.topics
            p = dist.Normal(docs.new_zeros(shape), docs.new_ones(shape)).to_event(1)
            theta = pyro.sample("logtheta", p).softmax(-1)
            words = self.norm_of_words(self.decode(self.drop(theta))).softmax(-1)
            pyro.sample("obs", dist.Multinomial(9, words), obs=docs)

    def guide(self, docs: Tensor) -> None:
        """Draws the latents given the data."""
        pyro.module("encoder", self.encode)
        with pyro.plate("documents", docs.shape[0]):
            location, log_scale = self.norm(self.encode(docs)).chunk(2, -1)
            q = dist.Normal(location, (0.5 * log_scale).exp())
            pyro.sample("logtheta", q.to_event(1))


def topics(data: int = 6, vocabulary: int = 7, topics: int = 2, hidden: int = 0) -> Program:
    """Makes the topic model, and counts of the words of two batches of documents."""
    pair = Topics(vocabulary, topics, hidden)
    words = dist.Multinomial(9, torch.ones(vocabulary))
    docs = [words.sample((data,)) for _ in range(2)]
    loss = TraceMeanField_ELBO()
    return Program(pair.model, pair.guide, loss, [(x,) for x in docs], (pair,))


def deep_exponential_family(
    data: int = 4, pixels: int = 6, widths: tuple[int, ...] = (3, 2)
) -> Program:
    """examples/sparse_gamma_def.py: functions, whose parameters are in Pyro's store alone.

    `widths` are those of the layers, from the top; each is a sum of the one above.
    """
    below = [*widths[1:], pixels]

    def model(x: Tensor) -> None:
        data_plate = pyro.plate("data", len(x))
        with data_plate:
            top = dist.Gamma(x.new_full((widths[0],), 0.1), 0.1).to_event(1)
            z = pyro.sample("z_0", top)
        for layer, (here, next_) in enumerate(zip(widths, below, strict=True)):
            with pyro.plate(f"weights_{layer}", here * next_):
                w = pyro.sample(f"w_{layer}", dist.Gamma(x.new_tensor(0.3), 0.1))
            mean = z @ w.reshape(here, next_)
            with data_plate:
                if layer + 1 < len(widths):
                    z = pyro.sample(f"z_{layer + 1}", dist.Gamma(0.1, 0.1 / mean).to_event(1))
                else:
                    pyro.sample("x", dist.Poisson(mean).to_event(1), obs=x)

    def gamma(name: str, *shape: int) -> dist.Gamma:
        alpha = pyro.param(f"log_alpha_{name}", lambda: 0.5 + 0.1 * torch.randn(shape))
        mean = pyro.param(f"log_mean_{name}", lambda: 0.1 * torch.randn(shape))
        alpha, mean = F.softplus(alpha), F.softplus(mean)
        return dist.Gamma(alpha, alpha / mean)

    def guide(x: Tensor) -> None:
        data_plate = pyro.plate("data", len(x))
        for layer, (here, next_) in enumerate(zip(widths, below, strict=True)):
            with data_plate:
                pyro.sample(f"z_{layer}", gamma(f"z_{layer}", len(x), here).to_event(1))
            with pyro.plate(f"weights_{layer}", here * next_):
                pyro.sample(f"w_{layer}", gamma(f"w_{layer}", here * next_))

    calls = [(torch.poisson(torch.ones(data, pixels)),) for _ in range(2)]
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


def conditional(
    data: int = 5, seen: int = 3, rest: int = 6, hidden: int = 0, latents: int = 2
) -> Program:
    """examples/cvae: two tensors, of which one is given to both programs."""
    decode = layers(latents + seen, hidden, rest)
    encode = layers(rest + seen, hidden, 2 * latents)

    def model(xs: Tensor, ys: Tensor) -> None:
        pyro.module("generation_net", decode)
        with pyro.plate("data", xs.shape[0]):
            zero, one = xs.new_zeros(latents), xs.new_ones(latents)
            z = pyro.sample("z", dist.Normal(zero, one).to_event(1))
            logits = decode(torch.cat([z, xs], -1))
            pyro.sample("y", dist.Bernoulli(logits=logits).to_event(1), obs=ys)

    def guide(xs: Tensor, ys: Tensor) -> None:
        pyro.module("recognition_net", encode)
        with pyro.plate("data", xs.shape[0]):
            location, scale = encode(torch.cat([ys, xs], -1)).chunk(2, -1)
            pyro.sample("z", dist.Normal(location, F.softplus(scale)).to_event(1))

    calls = [(bits(data, seen), bits(data, rest)) for _ in range(2)]
    return Program(model, guide, Trace_ELBO(), calls, (decode, encode))


PROGRAMS: Mapping[str, Callable[..., Program]] = {
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

# What these are told to be as large as the examples. The chorales of dmm have 60 steps in the
# middle, and 129 at most; sequences have 20 here, as compiling 60 takes more than four minutes.
AS_THEIRS: Mapping[str, Mapping[str, Any]] = {
    "conditional": {"data": 128, "seen": 196, "rest": 588, "hidden": 500, "latents": 200},
    "deep_exponential_family": {"data": 320, "pixels": 4096, "widths": (100, 40, 15)},
    "semi_supervised": {"data": 200, "pixels": 784, "labels": 10, "hidden": 500, "latents": 50},
    "sequences": {
        **{"data": 20, "steps": 20, "notes": 88},
        **{"hidden": 200, "latents": 100, "memory": 600},
    },
    "topics": {"data": 32, "vocabulary": 12_722, "topics": 20, "hidden": 100},
}
