"""Two processes are one: the same trajectory, parameters, metrics and refusals."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from parallel.group import share
from tests.conftest import ROOT
from tests.parallel import worker
from tests.parallel.worker import CASES


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, rank, count, port):
    given = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_PORT": port,
    }
    given |= {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": 1}
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "worker.py"), str(folder)],
        cwd=ROOT,
        env=os.environ
        | {"PYTHONPATH": str(ROOT)}
        | {key: str(value) for key, value in given.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one process found, what each of two did, and what the first of the two said last."""
    folder, port = tmp_path_factory.mktemp("found"), free_port()
    workers = [start(folder, rank, 2, port) for rank in range(2)]
    try:
        worker.main(folder)
        said = [process.communicate(timeout=300) for process in workers]
    finally:
        for process in workers:
            process.kill()
    files = [folder / name for name in ("1-0.pt", "2-0.pt", "2-1.pt")]
    assert all(file.exists() for file in files), said
    one, *two = (torch.load(file, weights_only=True) for file in files)
    return one, two, said[0][0]


@pytest.mark.parametrize("case", CASES)
def test_all_processes_have_the_same_parameters_and_losses(found, case):
    _, two = found[:2]
    (first, first_losses), (second, second_losses) = (each[case] for each in two)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first_losses == second_losses


@pytest.mark.parametrize("case", CASES)
def test_the_trajectory_is_that_of_one_process(found, case):
    """To rounding, in float64, if the noise of a datum is the same; with other noise it is not."""
    one, (first, _), _ = found
    pairs = list(zip(one[case][0], first[case][0], strict=True))
    if case == "other noise":
        assert not all(torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in pairs)
        return
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(one[case][1], first[case][1], rtol=1e-9, atol=1e-10)


def test_a_loss_that_is_not_finite_stops_all_and_changes_nothing(found):
    for said, before, after in (each["broken"] for each in found[1]):
        assert said.startswith("loss nan")
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_metrics_are_the_same_for_any_number_of_processes(found):
    one, two, _ = found
    assert one["metrics"] == two[0]["metrics"] == two[1]["metrics"]


def test_measuring_blocks_is_the_same_for_any_number_of_processes(found):
    """With noise; and so is what is drawn afterwards. No two blocks have the same noise."""
    one, two, _ = found
    for each in two:
        assert torch.equal(each["blocks"], one["blocks"]) and torch.equal(
            each["between"], one["between"]
        )
    noise = one["blocks"] - torch.arange(11.0)
    assert not torch.isclose(noise[:3], noise[3:6], atol=1e-4).any()


def test_small_things(found):
    one, (first, second), _ = found
    assert first["each"] == second["each"] == one["each"] == [n**2 for n in range(7)]
    assert first["agreed"] == second["agreed"] == "the last one has no file"
    assert first["from the first"] == second["from the first"] == 0
    assert not torch.equal(first["noise"], second["noise"]), "each has noise of its own"


def test_a_process_that_ends_is_noticed_by_the_others(found):
    assert "another of the 2 processes ended" in found[2]


@pytest.mark.parametrize(("total", "count"), [(0, 2), (1, 2), (7, 3), (8, 2), (3, 5)])
def test_shares_are_disjoint_complete_and_even(total, count):
    shares = [range(*share(total, rank, count)) for rank in range(count)]
    assert [row for part in shares for row in part] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
