"""What an integral costs is foretold once, counted as it is computed, and bounded in memory."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from evidence import exact, integrator
from evidence.cost import Cost, Meter
from evidence.joint import Joint
from evidence.lattice import Lattice
from tests.evidence.test_quadrature import Bernoulli, Gaussian, blind, labelled, vae


class Counting(Meter):
    def __init__(self) -> None:
        self.costs: list[tuple[Cost, list[int]]] = []
        self.pairs = 0

    def expect(self, cost: Cost, sizes: list[int]) -> None:
        assert not self.pairs
        self.costs.append((cost, list(sizes)))

    def did(self, pairs: int) -> None:
        self.pairs += pairs


@pytest.mark.parametrize("likelihood", [Bernoulli((3, 4)), Gaussian((3, 4), scale=0.5)], ids=str)
def test_the_cost_is_foretold_and_changes_no_number(likelihood: Bernoulli | Gaussian) -> None:
    model, guide = vae(likelihood)
    x = likelihood(model.decoder(torch.randn(150, 2))).sample()
    found = []
    for meter in (None, counting := Counting()):
        torch.manual_seed(0)
        found.append(exact(model, guide, x, meter=meter))
    assert torch.equal(found[0].per_datum, found[1].per_datum)
    ((cost, sizes),) = counting.costs
    assert sizes == [150] and 0.1 < counting.pairs / cost.pairs(sizes) < 10
    assert cost.seconds([150]) > cost.look * cost.pairs([150]) > 0
    assert 1 < cost.seconds([600]) / cost.seconds([150]) < 4.01


def test_conditions_are_foretold_together() -> None:
    y = torch.tensor([0.0, 1, 1, 2, 1, 0]).double()
    counting = Counting()
    assert exact(labelled, blind, (torch.randn(6, 1).double(), y), meter=counting)
    ((_, sizes),) = counting.costs
    assert sizes == [2, 3, 1]


def test_who_is_told_may_refuse() -> None:
    class No(Counting):
        def expect(self, cost: Cost, sizes: list[int]) -> None:
            raise InterruptedError

    model, guide = vae(Bernoulli((4,)))
    with pytest.raises(InterruptedError):
        exact(model, guide, torch.ones(5, 4), meter=(no := No()))
    assert no.pairs == 0


def test_data_of_many_dimensions_are_integrated_in_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, guide = vae(Gaussian((12,), scale=0.5), latent_dim=1)
    x = torch.randn(150, 12)
    torch.manual_seed(0)
    expected = exact(model, guide, x)
    seen = []

    class Watched(integrator.Section):
        def __call__(self, x: Tensor) -> Tensor:
            seen.append(len(self.log_prior))
            return super().__call__(x)

    monkeypatch.setattr(integrator, "Section", Watched)
    monkeypatch.setattr(integrator, "NUMBERS", 12 * 100)
    monkeypatch.setattr(integrator, "KEPT", 12 * 200)  # less than the first grid
    torch.manual_seed(0)
    found = exact(model, guide, x)
    assert max(seen) == 100
    torch.testing.assert_close(found.per_datum, expected.per_datum, atol=1e-6, rtol=0)


def test_the_seconds_of_integrals_are_the_sum_of_their_runs() -> None:
    """Of every integral its points, those of each group begun, and a look at every pair."""
    cost = Cost(nodes=7, nodes_of_group=5, group=4, run=0.1, look=0.01)
    assert cost.pairs([4, 5, 1]) == 7 * 10
    assert cost.seconds([4, 5, 1]) == pytest.approx(0.1 * (3 * 7 + (1 + 2 + 1) * 5) + 0.01 * 70)
    assert cost.seconds([]) == 0


def test_sections_are_kept_where_all_groups_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """And made again where they are not to be kept, or are too many."""
    model, guide = vae(Gaussian((3,), scale=0.5), latent_dim=1)
    x, runs = torch.randn(4, 3), []
    made = integrator.Integrator(model, Joint(model, guide, x), 1e-3)
    right = integrator.Integrator.section
    monkeypatch.setattr(
        integrator.Integrator, "section", lambda self, u: runs.append(len(u)) or right(self, u)
    )
    box = Lattice(torch.tensor([-4.0]).double(), torch.tensor([0.5]).double())
    index = torch.arange(16).unsqueeze(1)
    first = made.values(x, box, index, keep=True)
    for keep, kept, expected in ((True, 48, 0), (False, 48, 16), (True, 47, 16), (True, 48, 0)):
        runs.clear()
        monkeypatch.setattr(integrator, "KEPT", kept)
        assert torch.equal(made.values(x, box, index, keep=keep), first)
        assert sum(runs) == expected
    runs.clear()
    finer = Lattice(box.origin, box.width / 2)
    assert not torch.equal(made.values(x, finer, index, keep=True), first) and sum(runs) == 16


def test_conditions_that_float32_takes_for_one_are_several() -> None:
    """An identifier may be larger than 2^24, beside a number of single precision."""

    def model(x: Tensor, y: Tensor, w: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0).expand((1,)).to_event(1))
            mean = z + ((y % 2) + w).unsqueeze(1)
            pyro.sample("x", dist.Normal(mean, 1.0).to_event(1), obs=x)

    def guide(x: Tensor, y: Tensor, w: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(0.0, 1.0).expand((len(x), 1)).to_event(1))

    y, w = torch.tensor([2**24, 2**24 + 1, 2**24, 2**24 + 1]), torch.tensor([0.5, 0.5, 0.5, 2.0])
    x = torch.tensor([[0.3], [0.3], [-1.0], [2.0]])
    found = exact(model, guide, (x, y, w), meter=(counting := Counting()))
    assert counting.costs[0][1] == [2, 1, 1]
    expected = dist.Normal((y % 2) + w, 2**0.5).log_prob(x[:, 0]).double()
    torch.testing.assert_close(found.per_datum, expected, atol=1e-3, rtol=0)
