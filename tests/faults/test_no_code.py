"""No text in a run directory names code.

Every callable of the project, on every axis, is refused or is a choice.
"""

import ast

import pytest
import yaml

from errors import RequestError
from experiment import choices, components, load_run
from experiment.legacy import migrated
from experiment.request import Request
from tests.conftest import ROOT
from tests.made_runs import CONFIG

PLAIN = {axis: {} for axis in choices.AXES} | CONFIG
PLAIN["choices"] = CONFIG["choices"] | {"network": "mlp", "objective": "elbo"}


def callables():
    """The dotted path of whatever can be called in a module, imported names and methods too."""
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        if parts[0] in ("tests", "runs") or any(part.startswith(".") for part in parts):
            continue
        module = ".".join(part for part in parts if part != "__init__") or "project"
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield f"{module}.{node.name}"
            if isinstance(node, ast.ClassDef):
                inner = (each for each in node.body if isinstance(each, ast.FunctionDef))
                yield from (f"{module}.{node.name}.{each.name}" for each in inner)
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from (f"{module}.{alias.asname or alias.name}" for alias in node.names)


OTHERS = (
    *("os.system", "builtins.eval", "builtins.exec", "subprocess.run", "errors.sys.exit"),
    *("hydra.utils.instantiate", "torch.load", "pickle.loads", "numpy.load"),
    *("", ".", "..", "a", "x" * 300 + ".y", "\x00.y", "../x.y", "/etc.x", "é.y"),
)
OPTIONS = ({}, {"axis": "x", "trust": True}, {"path": "/nowhere", "trust": True})


@pytest.mark.parametrize("axis", choices.AXES)
def test_every_callable_as_a_target(axis, monkeypatch):
    """A stored path is at most looked up as a name; without trust it is never imported."""
    every = [*dict.fromkeys(callables()), *OTHERS]
    assert len(every) > 1000 and "experiment.components.build" in every
    monkeypatch.setattr(components, "_imported", lambda axis, path: path)
    for target in every:
        for options in OPTIONS:
            plain = PLAIN | {axis: {"_target_": target, **options}}
            try:
                choice = Request.read(migrated(plain)).choice(axis)
                found = components.locate(axis, choice)
            except RequestError as error:
                assert str(error).startswith(axis), error
                continue
            assert choice.target is None and found == choices.target(axis, choice.name)


@pytest.mark.parametrize("axis", choices.AXES)
def test_what_a_target_is_told_is_plain(axis):
    """A node in a node, which a callable could build, is refused whatever it is an option of."""
    evil = {"_target_": "os.system", "command": "exit 1"}
    for node in (
        {"x": evil},
        {"x": [evil]},
        {"_target_": evil},
        {"_target_": [evil]},
        [evil],
        evil,
    ):
        with pytest.raises(RequestError, match=axis):
            components.locate(axis, Request.read(migrated(PLAIN | {axis: node})).choice(axis))


PARTS = ("train", "seed", "device", "latent_dim", "run_dir", "trained_in", "choices", "x")


@pytest.mark.parametrize("part", PARTS)
def test_code_beside_the_axes(part, tmp_path):
    plain = PLAIN | {part: {"_target_": "os.system", "command": f"touch {tmp_path / 'mark'}"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(RequestError):
        load_run(tmp_path)
    assert not (tmp_path / "mark").exists()
