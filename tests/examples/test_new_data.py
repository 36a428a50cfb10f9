"""examples/new_data.py finds the digits that it spoilt."""

import re

from tests.conftest import ROOT


def test_what_was_spoilt_is_the_most_unusual(command, tmp_path):
    done = command("examples/new_data.py", tmp_path, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    first, second = re.findall(r"(\d+) \(-[\d.]+ nats\)", done.stdout)[:2]
    assert {first, second} == {"7", "23"}
    rmse = float(re.search(r"RMSE ([\d.]+)", done.stdout)[1])
    assert 0 < rmse < 0.45  # half of the bits of the upper half would be off by 0.5
