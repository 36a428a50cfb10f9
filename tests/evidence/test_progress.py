"""Whoever listens hears of the whole of a computation, from 0 to 1 and never back."""

import itertools

import pytest
import torch

from evidence import (
    Annealing,
    Importance,
    ais,
    bracket,
    elbo,
    iw_eubo,
    iwae,
    posterior_draws,
    reverse_ais,
)
from evidence.progress import listening
from tests.evidence.test_alone import draw, model, posterior, some

PLAN = Annealing(6, 4, 2)
LONG = {
    "elbo": lambda x: elbo(model, posterior, x, 60),
    "iwae": lambda x: iwae(model, posterior, x, 60),
    "iw_eubo": lambda x: iw_eubo(model, posterior, x, draw(x), 60),
    "ais": lambda x: ais(model, posterior, x, PLAN),
    "reverse ais": lambda x: reverse_ais(model, posterior, x, draw(x), PLAN),
    "posterior draws": lambda x: posterior_draws(model, posterior, x),
    "bracket by annealing": lambda x: bracket(model, posterior, x, PLAN),
    "bracket by weights": lambda x: bracket(model, posterior, x, Importance(60)),
}

EVEN = ("ais", "reverse ais")  # whose steps are of one length


@pytest.mark.parametrize(
    ("name", "floats"),
    [*((name, 400) for name in list(LONG)[:5]), *((name, 2**20) for name in LONG)],
)
def test_the_share_grows_from_0_to_1(name, floats, monkeypatch):
    monkeypatch.setattr("evidence.chunks.CHUNK_FLOATS", floats)
    torch.manual_seed(0)
    shares = []
    with listening(lambda share, words: shares.append(share)):
        LONG[name](some(12))
    assert shares == sorted(shares)
    assert shares[0] < 0.5 and shares[-1] == pytest.approx(1)
    if name in EVEN:
        assert max(after - before for before, after in itertools.pairwise(shares)) < 0.25
