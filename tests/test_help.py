"""train.py --help: every choice and option, with what it means, without torch."""

import re

import pytest

from configs.described import described, files_of, options_of
from configs.help import help_page
from configs.schema import Schema
from errors import RequestError
from experiment.choices import AXES, CONFIGS, defaults
from inference.plan import Train
from tests.test_documentation import without_torch

CHOICES = {(axis, name): file for axis in AXES for name, file in files_of([CONFIGS], axis).items()}


def test_help_shows_every_choice_and_every_option_of_all_runs(command):
    shown = without_torch(command, "train.py", "--help")
    assert shown.returncode == 0, shown.stderr
    for axis, name in CHOICES:
        assert re.search(
            rf"^  {axis}\n(    .*\n|  \* .*\n)*  [ *] {name} ", shown.stdout, re.MULTILINE
        )
    for option in vars(Train()):
        assert f"  train.{option}=" in shown.stdout
    for option in set(vars(Schema())) - {*AXES, "train"}:
        assert f"  {option}=" in shown.stdout
    assert len(re.findall(r"^  \* ", shown.stdout, re.MULTILINE)) == len(AXES)
    assert max(map(len, shown.stdout.splitlines())) <= 100
    assert "evaluate.py RUN" in shown.stdout and "_target_" not in shown.stdout


def test_help_shows_what_a_choice_takes(command):
    shown = without_torch(command, "train.py", "prior=vamp", "--help").stdout
    assert "prior.components=500" in shown and "pseudo-inputs" in shown and "warm-up" in shown
    assert "network" not in shown


@pytest.mark.parametrize(("axis", "name"), CHOICES, ids="=".join)
def test_every_choice_and_option_is_explained(axis, name):
    """A comment that is forgotten in a YAML file, or a way of writing one that is not read."""
    found = described(CHOICES[axis, name])
    assert found.about and all(option.meaning for option in found.options), found
    read = {option.name.split(".")[1] for option in options_of(axis, CHOICES[axis, name])}
    view = {o.name for o in described(CONFIGS / "view.yaml").options} if axis == "data" else set()
    assert read == {*defaults(axis, name), *view}


def test_all_that_every_run_has_is_explained():
    for file in ("train.yaml", "view.yaml"):
        assert all(option.meaning for option in described(CONFIGS / file).options)


def test_help_knows_choices_of_ones_own(tmp_path):
    (tmp_path / "prior").mkdir()
    (tmp_path / "prior/ring.yaml").write_text(
        "# A circle\n_target_: mine.Ring\npoints: 8  # normals\n"
    )
    assert "ring                  A circle [points]" in help_page([], [str(tmp_path)])
    assert "prior.points=8" in help_page(["prior=ring"], [str(tmp_path)])
    with pytest.raises(RequestError, match="did you mean ring"):
        help_page(["prior=rings"], [str(tmp_path)])
