"""`exact` runs the model on one row for all data only where every datum's own row says the same."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from evidence import UnsupportedPair, alike, exact

LOGITS = torch.tensor([[0.5, -0.3, 0.8, 0.1]])


def guide(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))


def with_likelihood(likelihood):
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0).to_event(1))
            pyro.sample("x", likelihood(x, z).to_event(1), obs=x)

    return model


def library_size(x: Tensor, z: Tensor):
    return dist.Poisson(x.sum(-1, keepdim=True) * torch.softmax(z @ LOGITS, -1))


def clamped(x: Tensor, z: Tensor):
    return dist.Poisson((z @ LOGITS).exp().clamp(max=x.amax(1, keepdim=True)))


def masked(x: Tensor, z: Tensor):
    return dist.Poisson((z @ LOGITS).exp()).mask(x < 30)


def neighbours(x: Tensor, z: Tensor):
    return dist.Poisson((z @ LOGITS).exp() * (1 + (x.amax() > 30)))


def counts() -> Tensor:
    """Forty data alike in what models may read off them, and a different one, the last."""
    x = torch.tensor([[5.0, 5.0, 5.0, 5.0]]).repeat(41, 1)
    x[1:40:2] = torch.tensor([5.0, 3.0, 4.0, 8.0])
    x[0:40:2, 1:] = torch.tensor([2.0, 8.0, 5.0])
    x[:40, 0] += 3 - (x[:40].amax(1) < 8).float()
    x[-1] = torch.tensor([40.0, 50.0, 20.0, 10.0])
    return x


@pytest.mark.parametrize("likelihood", [library_size, clamped, masked])
def test_a_likelihood_that_a_late_datum_shows_to_depend_on_x_has_no_grid(likelihood):
    assert exact(with_likelihood(likelihood), guide, counts()) is None
    assert exact(with_likelihood(likelihood), guide, counts().flip(0)) is None


def test_whether_there_is_a_grid_does_not_depend_on_what_was_drawn_before(monkeypatch):
    drawn, joint = [], alike.Joint

    class Kept(joint):
        def draw_guide(self, particles):
            drawn.append(super().draw_guide(particles))
            return drawn[-1]

    monkeypatch.setattr(alike, "Joint", Kept)
    for seed in (1, 2):
        torch.manual_seed(seed)
        exact(with_likelihood(lambda x, z: dist.Poisson((z @ LOGITS).exp())), guide, counts())
    half = len(drawn) // 2
    assert half and all(map(torch.equal, drawn[:half], drawn[half:]))


def test_a_likelihood_of_the_whole_batch_is_refused():
    with pytest.raises(UnsupportedPair, match="site 'x' of the model"):
        exact(with_likelihood(neighbours), guide, counts())


def test_a_prior_or_a_support_that_a_late_datum_changes_has_no_grid():
    def prior(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            scale = torch.where(x.sum(1, keepdim=True) > 100, 2.0, 1.0)
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), scale).to_event(1))
            pyro.sample("x", dist.Poisson((z @ LOGITS).exp()).to_event(1), obs=x)

    def top(x: Tensor) -> Tensor:
        return torch.where(x.sum(1, keepdim=True) > 100, 2.0, 1.0)

    def bounded(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Uniform(torch.zeros(len(x), 1), top(x)).to_event(1))
            pyro.sample("x", dist.Poisson((z @ LOGITS).exp()).to_event(1), obs=x)

    def bounded_guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Uniform(torch.zeros(len(x), 1), top(x)).to_event(1))

    x = counts().repeat_interleave(torch.tensor([30] * 40 + [1]), 0)  # beyond the first 1,000
    assert exact(prior, guide, x) is None
    assert exact(bounded, bounded_guide, x) is None


def test_what_depends_on_z_alone_has_one():
    found = exact(with_likelihood(lambda x, z: dist.Poisson((z @ LOGITS).exp())), guide, counts())
    assert found is not None and found.per_datum.isfinite().all()


@pytest.mark.parametrize("seed", range(5))
def test_a_single_datum_has_a_grid(seed):
    torch.manual_seed(seed)

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, 0.5).to_event(1), obs=x)

    def posterior(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x / 1.25, 0.2**0.5).to_event(1))

    x = 2 * torch.randn(1, 2)
    found = exact(model, posterior, x)
    expected = dist.Normal(0.0, 1.25**0.5).log_prob(x).sum(1)
    torch.testing.assert_close(found.per_datum, expected.double(), atol=1e-3, rtol=0)
