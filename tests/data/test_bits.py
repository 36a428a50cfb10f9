"""Bits of 8-bit grey levels have the probability v/255 exactly, and repeat with torch's seed."""

import numpy as np
import pytest
import torch

from data.bits import WHITE, bits, decided
from data.observation import observe

LEVELS = np.repeat(np.arange(256, dtype=np.uint8), 256)
FIRST = np.tile(np.arange(256, dtype=np.uint8), 256)


def ones(again: np.ndarray, decide=decided) -> np.ndarray:
    """Counts, by grey level, the outcomes that are 1, over all pairs of the two digits."""
    number = sum(
        decide(LEVELS, FIRST, lambda count, digit=digit: np.full(count, digit, np.uint8)).astype(
            int
        )
        for digit in again
    )
    return number.reshape(256, 256).sum(1)


def test_probability_of_a_one_is_the_grey_level() -> None:
    """Among 256·255 equally likely pairs of digits, v·256 give 1: v/255, without an error."""
    expected = np.arange(256) * 256
    digits = np.arange(WHITE, dtype=np.uint8)
    assert (ones(digits) == expected).all()
    # Planted: ties are lost, or won, always.
    assert (ones(digits, lambda v, u, again: u < v) != expected).any()
    assert (ones(digits, lambda v, u, again: u <= v) != expected).any()


def test_bits_repeat_with_the_seed_and_move_on() -> None:
    grey = torch.full((100, 7), 128, dtype=torch.uint8)
    torch.manual_seed(0)
    first, second = bits(grey), bits(grey)
    torch.manual_seed(0)
    assert torch.equal(bits(grey), first)
    assert not torch.equal(first, second)


def test_bits_have_the_right_mean() -> None:
    """Hoeffding: an error beyond 4 parts in 1,000 has probability 2·exp(−2·10⁶·0.004²) < 1e-13."""
    torch.manual_seed(1)
    grey = torch.full((1_000_003,), 77, dtype=torch.uint8)
    assert abs(float(bits(grey).double().mean()) - 77 / 255) < 0.004


@pytest.mark.parametrize("part", [slice(None), slice(None, None, 2)])
def test_training_batches_of_bytes_are_drawn_so(part: slice) -> None:
    """Also values that do not lie one after the other; black stays black and white stays white."""
    grey = torch.tensor([[0, 255, 0, 255]] * 500, dtype=torch.uint8)[:, part]
    drawn = observe("binary", levels=256).draw(grey, None)
    assert drawn.dtype == torch.float32
    assert torch.equal(drawn, grey / 255)
    torch.manual_seed(0)
    expected = bits(grey)
    torch.manual_seed(0)
    assert torch.equal(observe("binary", levels=256).draw(grey, None), expected)


def test_what_is_drawn_once_is_drawn_as_it_was() -> None:
    """The bits of a test split are those of earlier revisions: numbers go on to compare."""
    grey = torch.arange(256, dtype=torch.uint8)
    noise = torch.rand(256, generator=torch.Generator().manual_seed(3))
    drawn = observe("binary", levels=256).draw(grey, torch.Generator().manual_seed(3))
    assert torch.equal(drawn, (noise * 255 < grey).float())
