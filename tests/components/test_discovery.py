"""Nothing is registered without being reachable from the command line and tested."""

import ast
import inspect
from pathlib import Path

import pytest

from experiment.build import all_likelihoods
from experiment.components import locate
from tests.components.factories import ALL, CONFIGS, choice

ROOT = CONFIGS.parent
FOLDERS = {
    "likelihood": "models/likelihoods",
    "prior": "models/priors",
    "guide": "guides/families",
    "objective": "inference/objectives",
    "model": "experiment/recipes",
}
SHARED = {"__init__", "base", "draws", "location_scale", "per_datum"}
CHOICES = [
    (axis.name, file.stem)
    for axis in sorted(CONFIGS.iterdir())
    for file in sorted(axis.glob("*.yaml"))
    if axis.name == "data" or axis.name in ALL
]


@pytest.mark.parametrize("axis", ALL)
def test_choices_and_factories_are_the_same_set(axis):
    assert {file.stem for file in (CONFIGS / axis).glob("*.yaml")} == set(ALL[axis])


@pytest.mark.parametrize("axis", FOLDERS)
def test_every_file_has_a_choice(axis):
    files = {file.stem for file in (ROOT / FOLDERS[axis]).glob("*.py")} - SHARED
    if axis == "guide":
        files -= {"flow"}  # what the flow families share
    assert files == set(ALL[axis])


@pytest.mark.parametrize(("axis", "name"), [(axis, name) for axis in ALL for name in ALL[axis]])
def test_yaml_says_what_it_is_and_names_something_that_explains_itself(axis, name):
    lines = (CONFIGS / axis / f"{name}.yaml").read_text().splitlines()
    assert any(line.startswith("# ") and len(line) > 10 for line in lines[:2])
    target = locate(axis, choice(axis, name))
    assert target.__doc__
    module = Path(ROOT / (target.__module__.replace(".", "/") + ".py"))
    assert ast.get_docstring(ast.parse(module.read_text()))


@pytest.mark.parametrize(("axis", "name"), CHOICES)
def test_a_default_in_a_yaml_is_that_of_the_signature(axis, name):
    """Otherwise the same component has two defaults, one in Python and one on the command line."""
    chosen = choice(axis, name)
    options, parameters = chosen.options, inspect.signature(locate(axis, chosen)).parameters
    defaults = {
        option: parameter.default
        for option, parameter in parameters.items()
        if option in options and parameter.default is not inspect.Parameter.empty
    }
    assert {option: options[option] for option in defaults} == defaults


def test_likelihoods_are_found_by_the_names_of_their_files():
    assert set(all_likelihoods()) == set(ALL["likelihood"])
