"""Where chains start: a path draws from the density that it says it starts at."""

import pytest
import torch

from evidence.annealing import Path
from evidence.joint import Joint
from tests.evidence.test_planted_bugs import one_dimension


@pytest.fixture
def joint() -> Joint:
    """A pair of one latent, whose guide is the exact posterior: far narrower than the prior."""
    return one_dimension(1)[1].joint


def drawn(joint: Joint, start: str) -> torch.Tensor:
    torch.manual_seed(0)
    return Path(joint, start).draw(4_000)


def test_a_start_at_prior_or_guide_is_their_own_draw(joint):
    torch.manual_seed(0)
    prior = joint.draw_prior(4_000)
    torch.manual_seed(0)
    guide = joint.draw_guide(4_000)
    assert torch.equal(drawn(joint, "prior"), prior)
    assert torch.equal(drawn(joint, "guide"), guide)
    assert not torch.equal(prior, guide)


def test_a_mixture_takes_about_half_of_each(joint):
    """Each row is a draw of one of them. Hoeffding: beyond ±0.06 with probability 2e-12."""
    torch.manual_seed(0)
    guide, prior = joint.draw_guide(4_000), joint.draw_prior(4_000)
    mixed = drawn(joint, "mixture")
    from_guide, from_prior = ((mixed == each).all(1) for each in (guide, prior))
    assert (from_guide | from_prior).all()
    assert abs(float(from_guide.float().mean()) - 0.5) < 0.06
