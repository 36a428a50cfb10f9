"""A run that is really killed and started again equals one that was left alone, bit for bit."""

import copy
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from tests.conftest import ROOT

OPTIONS = [
    "train.epochs=40",
    "train.batch_size=50",
    "network.width=30",
    "guide=full_covariance",
    "device=cpu",
    "train.checkpoint_seconds=0.05",
]
TIMES = ("seconds", "examples_per_second")


def start(run_dir, *options):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), f"run_dir={run_dir}", *OPTIONS, *options],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell inherit that this signal is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(run_dir):
    process = start(run_dir)
    error = process.communicate()[1]
    assert process.returncode == 0, error


def content(run_dir):
    """Everything the run measured and learned, without the times."""
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    metrics = [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]
    last, best = (
        torch.load(run_dir / f"checkpoint-{w}.pt", weights_only=True) for w in ("last", "best")
    )
    last.pop("seconds")
    for line in last["metrics"]:
        for name in TIMES:
            line.pop(name)
    return metrics, last, best


def assert_equal(a, b):
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert a == b


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    finish(run_dir)
    return content(run_dir)


def epochs_done(run_dir):
    file = run_dir / "metrics.jsonl"
    return file.read_text().count('"valid"') if file.exists() else 0


@pytest.mark.parametrize(
    ("kill", "moments"),
    [
        pytest.param(signal.SIGKILL, (3, 19), marks=pytest.mark.verify),  # half a minute each
        pytest.param(signal.SIGINT, (11,), marks=pytest.mark.verify),
    ],
)
def test_killed_run_continues_bit_for_bit(tmp_path, uninterrupted, kill, moments):
    run_dir = tmp_path / "run"
    for moment in moments:  # at no particular step of that epoch
        process = start(run_dir)
        while epochs_done(run_dir) < moment and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(kill)
        error = process.communicate()[1]
        assert process.returncode != 0, "it was over before it was killed"
        assert not (run_dir / "DONE").exists()
        if kill == signal.SIGINT:
            assert process.returncode == 1 and "the same command continues the run" in error
            assert "Traceback" not in error
    finish(run_dir)
    assert (run_dir / "DONE").exists()
    assert_equal(content(run_dir), uninterrupted)


def test_the_comparison_can_fail(uninterrupted):
    """One bit of one weight, or one digit of one metric, is noticed."""
    for spoil in (
        lambda metrics, last, best: (
            last["guide"]["encoder.output.bias"].view(torch.int32)[0].bitwise_xor_(1)
        ),
        lambda metrics, last, best: metrics[-1].update(kl=metrics[-1]["kl"] * (1 + 1e-15)),
    ):
        other = copy.deepcopy(uninterrupted)
        spoil(*other)
        with pytest.raises(AssertionError):
            assert_equal(other, uninterrupted)
