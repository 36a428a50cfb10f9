"""A request: made by the command line, stored as YAML, and read back to the same object."""

import dataclasses

import pytest

from configs.compose import request_from
from errors import RequestError
from experiment import choices
from experiment.components import build, check_options, locate
from experiment.config_file import read_plain, write_request
from experiment.request import WHERE_NOT_WHAT, Choice, Request
from inference.plan import Train

EVERY = [(axis, name) for axis in choices.AXES for name in choices.names(axis)]


@pytest.mark.parametrize(("axis", "name"), EVERY)
def test_it_is_read_back_to_the_same_object(axis, name, tmp_path):
    request = request_from(f"{axis}={name}", "seed=3", "train.patience=2", "latent_dim=5")
    write_request(tmp_path / "config.yaml", request)
    plain = read_plain(tmp_path / "config.yaml")
    assert Request.read(plain) == request and request.choice(axis).name == name
    assert "_target_" not in str(plain)


def test_no_path_of_code_is_part_of_a_request():
    assert not any("_target_" in name for name in request_from().identity)


def test_options_that_are_left_out_have_their_defaults():
    """As in a run directory of a revision that did not have them yet."""
    plain = request_from().plain()
    del plain["train"]["clip_norm"], plain["network"]["activation"]
    assert Request.read(plain) == request_from()


@pytest.mark.parametrize("option", sorted(WHERE_NOT_WHAT))
def test_where_and_how_make_no_other_run(option):
    """docs/sweeps.md lists them: two requests that differ in one of them are the same run."""
    values = {"data.download": "true", "train.tensorboard": "true", "train.checkpoint_seconds": "1"}
    values |= {"device": "cpu", "train.compile": "off", "train.resume": "never"}
    data = "images" if option == "data.cache" else "mnist"
    first = request_from(f"data={data}")
    if option == "trained_in":
        second = dataclasses.replace(first, trained_in="/elsewhere")
    else:
        second = request_from(f"data={data}", f"{option}={values.get(option, 'elsewhere')}")
    assert first != second and first.digest == second.digest


@pytest.mark.parametrize("word", ["seed=1", "prior=vamp", "train.epochs=3", "data.limit=10"])
def test_everything_else_makes_another_run(word):
    assert request_from().run_dir != request_from(word).run_dir


def test_a_choice_of_ones_own_that_names_our_class_is_stored_by_our_name(tmp_path):
    """A file of the user's own that sets options of our class is no foreign code."""
    (tmp_path / "prior").mkdir()
    text = "_target_: models.priors.mixture.Mixture\ncomponents: 3\n"
    (tmp_path / "prior" / "few.yaml").write_text(text)
    request = request_from("prior=few", f"hydra.searchpath=[file://{tmp_path}]")
    assert request.prior == Choice("mixture", {"components": 3})


@pytest.mark.parametrize(
    "path", ["experiment.load.load_run", "experiment.components.build", "train.main", "errors.sys"]
)
def test_code_of_this_project_that_is_no_choice_is_refused(path):
    with pytest.raises(RequestError, match="is no choice of prior; choose from flow"):
        request_from(f"++prior._target_={path}")


@pytest.mark.parametrize(("axis", "name"), EVERY)
def test_the_options_of_a_choice_are_options_of_its_component(axis, name):
    known = ("space", "binarisation", "limit", "seed", "memory_limit") if axis == "data" else ()
    options = {k: v for k, v in choices.defaults(axis, name).items() if k not in known}
    choice = Choice(name, options)
    check_options(axis, choice, locate(axis, choice))


def test_a_component_says_what_is_wrong_and_the_builder_where():
    choice = Choice("mlp", {"width": 0})
    with pytest.raises(RequestError, match=r"^network\.width=0: must be at least 1$"):
        build("network", choice, in_shape=(2,), out_shape=(2,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"choices": {}}, "data: not a choice"),
        ({"prior": 3}, "prior: not a choice"),
        ({"prior": {"components": [1]}}, "prior.components: must be"),
        ({"train": {"epochs": "many"}}, "train.epochs=many: must be a whole number, at least 1"),
        ({"train": {"epoch": 1}}, "train.epoch: no such option"),
        ({"train": {"learning_rate": float("nan")}}, "train.learning_rate=nan"),
        ({"seed": True}, "seed=True: must be a whole number"),
        ({"device": []}, "device="),
        ({"run_dir": 1}, "run_dir=1"),
        ({"more": 1}, "more: no such option"),
    ],
)
def test_what_is_stored_is_checked_as_what_is_asked_for(change, words):
    plain = request_from().plain() | change
    with pytest.raises(RequestError, match=words):
        Request.read(plain)


def test_the_defaults_of_training_stand_once():
    """configs/train.yaml repeats them for those who read it: it says the same."""
    import yaml

    written = yaml.safe_load((choices.CONFIGS / "train.yaml").read_text())["train"]
    assert written == dataclasses.asdict(Train())
