"""The smallest value that a message names is accepted, and what is below it is refused."""

import re

import pytest

from errors import RequestError
from tests.components.factories import ALL, choice, likelihood, make
from tests.components.test_priors_and_guides import family_of, prior


def build(axis, name, **options):
    if axis == "likelihood":
        return likelihood(name, options)
    if axis == "objective":
        return make(axis, name, options)
    return prior(name, options, 2) if axis == "prior" else family_of(name, options, 2)


def numbers(axis, name):
    """The options of a choice that are numbers."""
    for option, value in choice(axis, name).options.items():
        if option == "cycles" or type(value) in (int, float):
            yield option


OPTIONS = [
    (axis, name, option)
    for axis in ALL
    if axis not in ("model", "network")
    for name in ALL[axis]
    for option in numbers(axis, name)
]


@pytest.mark.parametrize(("axis", "name", "option"), OPTIONS)
def test_the_least_that_a_refusal_names_is_accepted(axis, name, option):
    def refused(value):
        with pytest.raises(RequestError, match=rf"^{axis}.{option}={value}: must be ") as error:
            build(axis, name, **{option: value})
        return str(error.value)

    if option == "alpha":
        assert build(axis, name, alpha=-3.0).alpha == -3  # any number
        return
    kind = type(choice(axis, name).options[option] or 1)
    least = re.search(r"at least (?:latent_dim=)?(\d+)", refused(kind(-7)))
    if least:
        refused(kind(int(least[1]) - 1))
        assert build(axis, name, **{option: kind(least[1])}) is not None
    else:
        assert "positive" in refused(0.0)
        assert build(axis, name, **{option: 1e-3}) is not None
