"""The rules of the map: what each room may import, read off the imports themselves."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

# A room, and the rooms of this project that it may import beside itself. `errors` is for those who
# talk to the user.
MAY_IMPORT = {
    "evidence": set(),
    "data": {"evidence"},
    "networks": set(),
    "models": {"networks"},
    "guides": {"models", "networks"},
    "parallel": {"errors"},
    "inference": {"data", "errors", "evidence", "guides", "models", "networks", "parallel"},
    "experiment": {
        *("configs", "data", "errors", "evidence", "guides", "inference", "models", "networks"),
        "parallel",
    },
    "evaluation": {
        *("data", "errors", "evidence", "experiment", "guides", "inference", "models", "networks"),
        "parallel",
    },
    "report": {"data", "errors", "evaluation", "evidence", "experiment", "inference", "parallel"},
    "published": {
        *("benchmarks", "data", "errors", "evaluation", "evidence", "experiment", "inference"),
        *("models", "networks", "report"),
    },
    "configs": {"data", "errors", "experiment", "inference", "parallel", "report"},
}
OURS = {*MAY_IMPORT, "benchmarks", "compare", "evaluate", "errors", "examples", "reproduce"}
OURS |= {"tests", "train"}
# Only train.py and configs know the configuration library.
ONLY = {
    "hydra": {"configs", "train"},
    "omegaconf": {"configs", "train"},
    "argparse": {"configs", "evaluate", "compare", "reproduce", "benchmarks"},
    "matplotlib": {"report", "benchmarks"},
    "jinja2": {"report"},
}
# Files of the distribution's public face that may name a room lazily.
LAZY = {("experiment/__init__.py", "configs"), ("inference/__init__.py", "experiment")}


def imports(file: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it, and for types only or not."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_down(room):
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files(room)
        for name in (imports(file) & OURS) - MAY_IMPORT[room] - {room}
        if (str(file.relative_to(ROOT)), name) not in LAZY
    ]
    assert not wrong


def test_experiment_knows_configs_by_name_only():
    """`experiment.train` is where a command line's words come in from Python, and is lazy."""
    wrong = [f for f in files("experiment") if "configs" in imports(f)]
    assert [str(f.relative_to(ROOT)) for f in wrong] == ["experiment/__init__.py"]


@pytest.mark.parametrize("library", ONLY)
def test_a_library_is_known_where_it_is_needed(library):
    rooms = {*MAY_IMPORT, "benchmarks"} - ONLY[library]
    scripts = {"train", "evaluate", "compare", "reproduce", "errors"} - ONLY[library]
    every = [file for room in rooms for file in files(room)] + [ROOT / f"{s}.py" for s in scripts]
    assert not [str(file.relative_to(ROOT)) for file in every if library in imports(file)]


def test_the_rule_sees_an_import_that_points_up(tmp_path):
    """What the tests above would miss if they read only the top of a file."""
    (tmp_path / "late.py").write_text("def f():\n    from report.table import rows\n")
    assert imports(tmp_path / "late.py") == {"report"}
