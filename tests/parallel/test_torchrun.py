"""train.py under torchrun, as a user starts it: a killed process, going on, refusals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT

OPTIONS = (
    "network.width=16",
    "data.limit=300",
    "device=cpu",
    "train.compile=off",
    "train.checkpoint_seconds=0",
)


def start(*arguments, processes=2):
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
        *map(str, arguments),
    ]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*arguments, processes=2):
    """(exit status, stdout, stderr)."""
    process = start(*arguments, processes=processes)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def child(process, rank):
    """The pid of the process with this rank."""
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            return int(pid)
    raise AssertionError("no such process")


def wait_for(process, file):
    while not file.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def content(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    state = torch.load(run / "checkpoint-last.pt", weights_only=True)
    return [(line["epoch"], line["split"], line["elbo"]) for line in lines], {
        **state["model"],
        **state["guide"],
    }


def errors(text):
    return [line for line in text.splitlines() if line.startswith("error: ")]


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the processes in /proc")
@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.verify), 1])
def test_a_dead_process_ends_the_run_with_an_error_and_the_checkpoint_stays(tmp_path, rank):
    run = tmp_path / "run"
    process = start("train.py", f"run_dir={run}", "train.epochs=100000", *OPTIONS)
    wait_for(process, run / "checkpoint-last.pt")
    os.kill(child(process, rank), signal.SIGKILL)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 1
    assert len(errors(err)) == (rank == 1), err
    assert torch.load(run / "checkpoint-last.pt", weights_only=True)["processes"] == 2
    assert not (run / "DONE").exists()


@pytest.mark.verify
def test_a_run_of_two_goes_on_bit_for_bit_and_another_number_says_so(tmp_path):
    options = ("train.epochs=40", *OPTIONS)
    status, out, err = finish("train.py", f"run_dir={tmp_path / 'whole'}", *options)
    assert status == 0 and out.count("2 processes") == 1 and not errors(err), err
    process = start("train.py", f"run_dir={tmp_path / 'cut'}", *options)
    wait_for(process, tmp_path / "cut/checkpoint-last.pt")
    os.kill(child(process, 1), signal.SIGKILL)
    process.communicate(timeout=100)
    assert finish("train.py", f"run_dir={tmp_path / 'cut'}", *options)[0] == 0
    (lines, state), (other_lines, other_state) = (
        content(tmp_path / "whole"),
        content(tmp_path / "cut"),
    )
    assert lines == other_lines and all(
        torch.equal(state[name], other_state[name]) for name in state
    )

    process = start("train.py", f"run_dir={tmp_path / 'other'}", *options)
    wait_for(process, tmp_path / "other/checkpoint-last.pt")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=100) != 0
    process.communicate()
    status, out, err = finish("train.py", f"run_dir={tmp_path / 'other'}", *options, processes=1)
    assert status == 0 and "no longer bit for bit" in out, err


@pytest.mark.verify
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["train.epochs=0"], "train.epochs=0"),
        (["data=arrays", "data.path=/nowhere.npy"], "no such file"),
        (["likelihood=gaussian", "likelihood.scale=optimal"], "train it with one process"),
        (["-m", "seed=0,1"], "-m: a sweep"),
        (["train.batch_size=1"], "train.batch_size=1"),
        (["run_dir=/proc/run"], "cannot be written"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_refusal_is_said_once(tmp_path, options, words):
    started = time.monotonic()
    status, _, err = finish("train.py", f"run_dir={tmp_path / 'run'}", *OPTIONS, *options)
    (line,) = errors(err)
    assert status == 1 and words in line  # torchrun's own exit status
    assert time.monotonic() - started < 120 and not (tmp_path / "run/DONE").exists()


@pytest.mark.verify
def test_everything_is_measured_by_two_processes(tmp_path):
    """What all processes must do together, and what only the first may."""
    run = tmp_path / "run"
    assert finish("train.py", f"run_dir={run}", *OPTIONS, "train.epochs=1")[0] == 0
    few = (
        "--particles",
        "8",
        "--limit",
        "20",
        "--ais",
        "5",
        "--gap",
        "--gap-steps",
        "5",
        "--impute",
        "left",
        "--export",
        "scores",
    )
    status, out, err = finish("evaluate.py", run, *few, "--split", "valid")
    assert status == 0, err
    assert (
        out.count("wrote") == 4
        and (run / "imputations_valid.json").exists()
        and (run / "evaluation_valid.json").exists()
    )
