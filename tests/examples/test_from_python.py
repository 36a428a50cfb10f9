"""examples/from_python.py, as a reader runs it."""

from tests.conftest import ROOT


def test_it_prints_bounds_in_their_order(command, tmp_path):
    for _ in range(2):  # the second time, the runs are there already
        done = command("examples/from_python.py", tmp_path, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr
        rows = [line.split() for line in done.stdout.splitlines() if line[:3] in ("sta", "mix")]
        assert [row[0] for row in rows] == ["standard_normal", "mixture"]
        for _, lower, tighter, known, error in rows:
            assert float(lower) < float(tighter) <= float(known) + 0.1 and float(error) > 0
