"""The runner finds what tests see, on a planted package with known gaps in its tests."""

import json
import os
import subprocess
import sys

from tests.conftest import ROOT

PLANTED = '''"""A package."""
LIMIT = 3


def grade(points: int = 1) -> bool:
    """Tells whether 1 + 1 points are enough."""
    if points < 0:
        raise ValueError(f"points={points + 1}: negative")
    return points >= LIMIT


def wait(n):
    while n:
        n -= 1
    return True
'''
TESTS = """from planted.module import grade, wait


def test_grade():
    assert grade(4) and not grade(2)


def test_wait():
    assert wait(2)
"""


EQUIVALENT = """# Says so.
planted/module.py wait(): 1 -> 2
    The loop ends for even numbers.
"""


def test_the_runner_tells_what_tests_notice(tmp_path):
    (tmp_path / "planted").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "planted/module.py").write_text(PLANTED)
    (tmp_path / "tests/test_module.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\nmarkers = verify: slow\n")
    (tmp_path / "tests/mutation").mkdir()
    (tmp_path / "tests/mutation/equivalents.txt").write_text(EQUIVALENT)
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "planted", "--number=0"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / ".mutants/results.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    found = {record["key"].removeprefix("planted/module.py "): record["status"] for record in found}
    assert found == {
        "module: 3 -> 4": "survived",  # in a process of its own, as what follows
        "module: 1 -> 2": "survived",
        "module: 1 -> 0": "survived",
        "grade(): points < 0 -> True": "killed",
        "grade(): points < 0 -> False": "survived",
        "grade(): points < 0 -> points <= 0": "survived",
        "grade(): 0 -> 1": "survived",
        "grade(): points >= LIMIT -> points > LIMIT": "survived",
        "wait(): n -> False": "survived",
        "wait(): n -= 1 -> pass": "timed out",
        "wait(): 1 -> 0": "timed out",
        "wait(): True -> False": "killed",
    }
    assert "33.3%" in done.stdout  # 4 of 12
