"""configs/private_hydra.py: what is used of Hydra without its promise, and life without it."""

import argparse
import inspect

import hydra._internal.utils
import pytest

from configs import private_hydra

OPTIONS = ("train.epochs=1", "data.limit=40", "network.width=8", "train.compile=off", "device=cpu")


def test_the_names_are_there_and_take_what_they_are_given():
    """A Hydra that has rearranged them is noticed here, and not by a user."""
    run = inspect.signature(hydra._internal.utils._run_hydra).parameters
    given = {"args", "args_parser", "task_function", "config_path", "config_name"}
    assert given <= run.keys() and private_hydra.HAS_PARSER
    assert isinstance(hydra._internal.utils.get_args_parser(), argparse.ArgumentParser)


def test_other_parsers_stay_as_they_are(train, tmp_path, capsys):
    train(*OPTIONS, f"run_dir={tmp_path / 'run'}")
    with pytest.raises(SystemExit):
        argparse.ArgumentParser(prog="another").parse_args(["--unknown"])
    assert "usage: another" in capsys.readouterr().err


def test_without_them_hydra_itself_takes_over(train, tmp_path, monkeypatch):
    """The run is the same; only a wrong command line is refused in Hydra's own words."""
    monkeypatch.setattr(private_hydra, "HAS_PARSER", False)
    status, _, error = train(*OPTIONS, f"run_dir={tmp_path / 'run'}")
    assert status == 0 and (tmp_path / "run" / "DONE").exists(), error
