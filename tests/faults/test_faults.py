"""Nothing is lost: kills at any moment, a full disk, two processes, flipped bits. After each the run goes on and ends
with what the undisturbed run ends with, bit for bit, or says in one line what is damaged."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT

OPTIONS = (
    "train.epochs=15",
    "network.width=16",
    "data.limit=300",
    "device=cpu",
    "train.compile=off",
    "train.checkpoint_seconds=0",
)
TIMES = ("seconds", "examples_per_second")


class Nursery:
    """Training runs in forked processes, to be disturbed."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "nursery.py")],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, run, *options, largest_file=None):
        """The pid of a process that trains in `run`; its words are appended beside it."""
        request = {"arguments": [f"run_dir={run}", *OPTIONS, *options], "log": f"{run}.log", "largest_file": largest_file}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer("started")

    def wait(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer("ended")

    def answer(self, word):
        """The next answer of this kind; those that a failed test did not wait for are passed over."""
        while line := self.process.stdout.readline().split():
            if line[0] == word:
                return int(line[1])
        raise AssertionError("the nursery is gone")

    def finish(self, run, *options):
        self.start(run, *options)
        status = self.wait()
        assert status == 0, Path(f"{run}.log").read_text()[-2000:]


@pytest.fixture(scope="module")
def nursery():
    new = Nursery()
    yield new
    new.process.stdin.close()
    new.process.stdout.close()
    new.process.wait()


@pytest.fixture(scope="module")
def undisturbed(nursery, tmp_path_factory):
    """The run that nothing happened to, and how long it took."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    nursery.finish(run.with_name("first"))  # the nursery has done its imports
    started = time.monotonic()
    nursery.finish(run)
    return run, time.monotonic() - started


def plain(value):
    if isinstance(value, torch.Tensor):
        return str(value.dtype), value.shape, value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items() if key not in TIMES}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def content(run):
    """All that the run measured and learned, bit for bit, without the times."""
    lines = [plain(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return lines, *(plain(torch.load(run / f"checkpoint-{which}.pt", weights_only=True)) for which in ("last", "best"))


def kill_and_continue(nursery, undisturbed, run, kills, seed, kill=signal.SIGKILL):
    """Kill at random moments, `kills` times in all, starting over whenever the run gets to its end before."""
    moments = random.Random(seed)
    whole, duration = undisturbed
    killed = ended = 0
    while killed < kills:
        pid = nursery.start(run)
        time.sleep(moments.uniform(0, duration))
        os.kill(pid, kill)
        if nursery.wait() == 0:
            assert content(run) == content(whole)
            shutil.rmtree(run)
            ended += 1
            assert ended < 10 * kills
        else:
            killed += 1
    nursery.finish(run)
    assert (run / "DONE").exists() and content(run) == content(whole)
    assert not list(run.glob("*.tmp")) + list(run.glob(".*.tmp")) or kill == signal.SIGKILL


def test_five_kills(nursery, undisturbed, tmp_path):
    kill_and_continue(nursery, undisturbed, tmp_path / "run", 5, seed=0)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(1, 11))
def test_fifty_kills(nursery, undisturbed, tmp_path, seed):
    kill_and_continue(nursery, undisturbed, tmp_path / "run", 5, seed)


def test_scheduler_ends_the_job(nursery, undisturbed, tmp_path):
    """SIGTERM is Ctrl-C: one line, status 1, and the run goes on later."""
    run = tmp_path / "run"
    pid = nursery.start(run)
    wait_for(run / "checkpoint-last.pt")
    os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 1
    assert "error: interrupted; the same command continues the run" in Path(f"{run}.log").read_text()
    nursery.finish(run)
    assert content(run) == content(undisturbed[0])


def wait_for(file):
    until = time.monotonic() + 60
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.005)
    assert file.exists()


def last_line(run):
    return Path(f"{run}.log").read_text().rstrip().splitlines()[-1]


@pytest.mark.parametrize("largest", [100, 3000, 30_000])
def test_full_disk(nursery, undisturbed, tmp_path, largest):
    """Files may not grow beyond `largest` bytes: in the configuration, the metrics, or a checkpoint the disk is full."""
    run = tmp_path / "run"
    nursery.start(run, largest_file=largest)
    assert nursery.wait() in (1, 2)
    assert last_line(run).startswith("error: ") and str(run) in last_line(run)
    assert "Traceback" not in Path(f"{run}.log").read_text()
    nursery.finish(run)
    assert content(run) == content(undisturbed[0])


def test_a_place_that_cannot_be_written(train):
    status, _, error = train("run_dir=/proc/run", *OPTIONS)
    assert status == 2 and error.count("\n") == 1 and "run_dir=/proc/run: cannot be written" in error


def test_two_processes_on_one_run(nursery, undisturbed, train, tmp_path):
    run = tmp_path / "run"
    pid = nursery.start(run, "train.epochs=10000")
    wait_for(run / "checkpoint-last.pt")
    status, _, error = train(f"run_dir={run}", *OPTIONS, "train.epochs=10000")
    assert status == 2 and "another process is training here" in error.splitlines()[-1]
    os.kill(pid, signal.SIGKILL)
    nursery.wait()
    assert train(f"run_dir={run}", *OPTIONS)[2].startswith("error: ")  # another configuration: refused, not mixed


def unfinished(undisturbed, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(undisturbed[0], run)
    (run / "DONE").unlink()
    return run


@pytest.mark.parametrize("which", ["last", "best"])
def test_flipped_bits_in_a_checkpoint_are_noticed(undisturbed, train, tmp_path, which):
    """Anywhere: also in the numbers, where everything would load. The other checkpoint is named and all files stay."""
    run = unfinished(undisturbed, tmp_path)
    file = run / f"checkpoint-{which}.pt"
    good = file.read_bytes()
    generator = random.Random(0)
    noticed = 0
    for _ in range(20):
        bad = bytearray(good)
        bad[generator.randrange(len(bad))] ^= 1 << generator.randrange(8)
        file.write_bytes(bad)
        status, _, error = train(f"run_dir={run}", *OPTIONS)
        (run / "DONE").unlink(missing_ok=True)
        if status == 0:  # the bit was in what no one reads, such as a padding or a date
            assert content(run)[0] == content(undisturbed[0])[0]
        else:
            other = "best" if which == "last" else "last"
            assert status == 2, error
            assert error.splitlines()[-1].startswith(f"error: {file}: damaged")
            assert f"checkpoint-{other}.pt is good" in error
            noticed += 1
    assert noticed >= 10


def test_a_damaged_line_of_metrics_takes_no_other_with_it(undisturbed, train, tmp_path):
    run = unfinished(undisturbed, tmp_path)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    damaged = [*lines[:7], lines[7][:20], "[" * 100_000, "3", *lines[8:], lines[-1][:30]]
    (run / "metrics.jsonl").write_text("\n".join(damaged))
    assert train(f"run_dir={run}", *OPTIONS)[0] == 0
    left = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in left] == [json.loads(line) for line in lines[:7] + lines[8:]]


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_clock_jumps_change_nothing(undisturbed, train, tmp_path, monkeypatch, jump):
    now, calls = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: now() + jump * (next(calls) % 2))
    assert train(f"run_dir={tmp_path / 'run'}", *OPTIONS)[0] == 0
    assert content(tmp_path / "run")[0] == content(undisturbed[0])[0]
