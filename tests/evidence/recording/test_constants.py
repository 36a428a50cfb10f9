"""What a graph takes as given is part of what it is found by: nothing stale is run."""

import pyro
import pyro.distributions as dist
import torch

from evidence import Annealing, ais, elbo, iwae, recorded
from evidence.recording.calls import Calls


def model_of(noise):
    def program(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(1), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, noise).to_event(1), obs=x)

    return program


def guide_of(slope):
    def program(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(slope * x, 0.8).to_event(1))

    return program


MODELS, GUIDES = [model_of(0.8), model_of(1.5)], [guide_of(0.3), guide_of(0.0)]
ESTIMATORS = {
    "elbo": lambda m, g, x: elbo(m, g, x, 3),
    "iwae": lambda m, g, x: iwae(m, g, x, 3),
    "ais from the prior": lambda m, g, x: ais(m, g, x, Annealing(2, 1, 1, "prior")),
    "ais from the guide": lambda m, g, x: ais(m, g, x, Annealing(2, 1, 1, "guide")),
}


SHORT = [(e, m, g) for e in ("elbo", "iwae") for m in MODELS for g in GUIDES]
ANNEALED = [
    ("ais from the prior", MODELS[0], GUIDES[0]),
    ("ais from the guide", MODELS[0], GUIDES[0]),
    ("ais from the guide", MODELS[0], GUIDES[1]),
    ("ais from the guide", MODELS[1], GUIDES[1]),
]


def test_every_estimate_of_every_pair_in_one_context_is_its_own(monkeypatch):
    """With other models, guides, starts and estimators in between."""
    monkeypatch.setattr("evidence.annealing.WARM_UP", 1)
    torch.manual_seed(0)
    x = 2 * torch.randn(6, 1, dtype=torch.float64)

    def measured():
        found = []
        for name, model, guide in SHORT + ANNEALED + SHORT:
            torch.manual_seed(1)
            found.append(ESTIMATORS[name](model, guide, x).per_datum)
        return torch.stack(found)

    expected = measured()
    with recorded(into=Calls(None)) as here:
        found = measured()
    assert here.why_eager is None and here.graphs
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    apart = expected[len(SHORT) :].round(decimals=6).unique(dim=0)
    assert len(apart) == len(SHORT + ANNEALED), "they can be told apart"
