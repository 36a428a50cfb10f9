"""What an integral costs is foretold once, counted as it is computed, and bounded in memory."""

import pytest
import torch
from torch import Tensor

from evidence import exact, integrator
from evidence.cost import Cost, Meter
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
