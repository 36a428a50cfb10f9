"""Numbers as options: the least that is accepted, and that each changes what it is the size of."""

import re

import pytest

from errors import RequestError
from models.priors.flow import LAYERS
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


SIZES = ("layers", "width", "context", "rank", "components")


@pytest.mark.parametrize(
    ("axis", "name", "option", "beside"),
    [
        (axis, name, option, beside)
        for axis, name, option in OPTIONS
        if option in SIZES
        for beside in ([{"kind": kind} for kind in LAYERS] if name == "flow" else [{}])
    ],
)
def test_a_size_is_that_of_some_parameter_or_of_what_the_encoder_gives(axis, name, option, beside):
    def sizes(value):
        module = build(axis, name, **beside, **{option: value})
        shapes = [parameter.shape for parameter in module.parameters()]
        return shapes, module.num_parameters if axis == "guide" else 0

    assert sizes(9) == sizes(9) != sizes(10)
