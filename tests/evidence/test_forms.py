"""Which values of a checkpoint have the form of a pair's own, and which are refused by kind."""

import pytest
import torch

from evidence.training.alike import check_alike

ONE, TWO = torch.zeros(2), torch.zeros(1, 2)
FITS = [
    (ONE, ONE + 1), (1, 2.5), (2.5, 1), (True, False), (None, True), (False, None), ("a", "b"),
    ([1, "a"], (2, "b")), ((), []), ({"a": 1, "b": 2}, {"a": 3}), ({}, {}), ({"a": [ONE]}, {}),
]  # fmt: skip
DOES_NOT = [
    (ONE, TWO), (ONE, 1), (1, ONE), (1, True), (True, 1), (None, 0), (1, None), ("a", 1), (1, "a"),
    ([1], [1, 2]), ([1, 2], [1]), ([1], 1), ({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": 1}),
    ({"a": 1}, [1]), ({}, {"a": 1}), ({"a": [ONE]}, {"a": [TWO]}), ([("a", 1)], [("a", "b")]),
]  # fmt: skip


@pytest.mark.parametrize(("own", "saved"), FITS, ids=str)
def test_what_has_the_form_of_ones_own_is_taken(own, saved):
    check_alike(own, saved)


@pytest.mark.parametrize(("own", "saved"), DOES_NOT, ids=str)
def test_what_has_another_form_is_refused(own, saved):
    with pytest.raises(TypeError, match=r"a \w+ in the place of a \w+"):
        check_alike(own, saved)
