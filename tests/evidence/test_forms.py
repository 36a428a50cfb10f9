"""Which values of a checkpoint have the form of a pair's own, and which are refused by kind."""

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from evidence import elbo, iwae
from evidence.alone import looked_at
from evidence.example import guide, model
from evidence.joint import Joint
from evidence.structure import check_columns
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


ROWS = torch.ones(3)
ODD = {
    "masked array": np.ma.masked_array(np.ones(3, np.float32), [0, 1, 0]),
    "complex tensor": ROWS.numpy().astype(complex),
    "sparse tensor": ROWS.to_sparse(),
    "meta tensor": ROWS.to("meta"),
    "has 2 columns and the program takes 1: stack rows by torch.stack": [ROWS[:1], ROWS[:1]],
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("estimator", [iwae, elbo])
def test_data_that_are_no_dense_numbers_are_refused_in_a_line(estimator, what):
    with pytest.raises(ValueError, match=f"^x (is a )?{what}[^\n]*$"):
        estimator(model, guide, ODD[what], 10)


class Module(torch.nn.Module):
    def forward(self, x, y=None):
        """Takes one column, or two."""


def test_a_program_is_called_with_as_many_columns_as_it_takes():
    for program in (Module(), Module().forward):
        check_columns(program, 2)
        with pytest.raises(ValueError, match="x has 3 columns and the program takes 2"):
            check_columns(program, 3)
    check_columns(lambda *columns: columns, 3)


@pytest.mark.parametrize("estimator", [looked_at, Joint])
def test_a_row_that_is_not_finite_is_named_where_the_guide_uses_x(estimator):
    def from_x(x):
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(x[:, :1], 1.0).to_event(1))

    with pytest.raises(ValueError, match="row 1 of x, which holds NaN or infinity"):
        estimator(model, from_x, torch.tensor([[1.0] * 2, [math.nan] * 2, [2.0] * 2]))
