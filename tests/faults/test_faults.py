"""Nothing is lost by kills at any moment, a full disk, two processes, or flipped bits.

After each, the run goes on and ends as the undisturbed run does, bit for bit, or it says in one
line what is damaged.
"""

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
import yaml

import compare
import evaluate
from errors import RequestError
from experiment import load_run
from experiment.checkpoints import Checkpoints
from experiment.directory import RunDirectory, identity
from tests.conftest import ROOT

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

    def start(self, run, *options, largest_file=None, disk=None):
        """The pid of a process that trains in `run`; its words are appended beside it."""
        request = {"arguments": [f"run_dir={run}", *OPTIONS, *options], "log": f"{run}.log"}
        request |= {"largest_file": largest_file, "disk": disk}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer("started")

    def wait(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer("ended")

    def answer(self, word):
        """Returns the next answer of this kind, and passes over those that nobody waited for."""
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
    return lines, *(
        plain(torch.load(run / f"checkpoint-{which}.pt", weights_only=True))
        for which in ("last", "best")
    )


def kill_and_continue(nursery, undisturbed, run, kills, seed, kill=signal.SIGKILL):
    """Kills at random moments, `kills` times; a run that ends before is started over."""
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
    assert not list(run.glob(".checkpoint-*.tmp")), "halves of checkpoints pile up"


def test_two_kills(nursery, undisturbed, tmp_path):
    kill_and_continue(nursery, undisturbed, tmp_path / "run", 2, seed=0)


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(10))
def test_fifty_kills(nursery, undisturbed, tmp_path, seed):
    kill_and_continue(nursery, undisturbed, tmp_path / "run", 5, seed)


def test_killed_while_it_writes_a_checkpoint(nursery, undisturbed, tmp_path):
    """Killed as soon as half a file is seen, until a kill has left one."""
    run = tmp_path / "run"
    for _ in range(50):
        shutil.rmtree(run, ignore_errors=True)
        pid = nursery.start(run)
        while not list(run.glob(".checkpoint-*.tmp")) and not (run / "DONE").exists():
            pass
        os.kill(pid, signal.SIGKILL)
        if nursery.wait() != 0 and list(run.glob(".checkpoint-*.tmp")):
            break
    else:
        raise AssertionError("no kill has left half a file")
    nursery.finish(run)
    assert content(run) == content(undisturbed[0]) and not list(run.glob(".*.tmp"))


def test_scheduler_ends_the_job(nursery, undisturbed, tmp_path):
    """SIGTERM is Ctrl-C, however often it comes: one line, status 1, and the run goes on later."""
    run = tmp_path / "run"
    pid = nursery.start(run, "train.epochs=10000")
    wait_for(run / "checkpoint-last.pt")
    before = (run / "metrics.jsonl").read_text().count("valid")
    for _ in range(3):
        os.kill(pid, signal.SIGTERM)
    assert nursery.wait() == 1
    assert (run / "metrics.jsonl").read_text().count("valid") <= before + 20
    assert last_line(run) == "error: interrupted; the same command continues the run"
    assert "Traceback" not in Path(f"{run}.log").read_text()


def wait_for(file):
    until = time.monotonic() + 60
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.005)
    assert file.exists()


def last_line(run):
    return Path(f"{run}.log").read_text().rstrip().splitlines()[-1]


@pytest.mark.parametrize("largest", [100, 3000, 30_000])
def test_full_disk(nursery, undisturbed, tmp_path, largest):
    """The disk is full in the configuration, the metrics or a checkpoint, at `largest` bytes."""
    run = tmp_path / "run"
    nursery.start(run, largest_file=largest)
    assert nursery.wait() in (1, 2)
    assert last_line(run).startswith("error: ") and str(run) in last_line(run)
    assert "Traceback" not in Path(f"{run}.log").read_text()
    nursery.finish(run)
    assert content(run) == content(undisturbed[0])


def test_a_place_that_cannot_be_written(train):
    status, _, error = train("run_dir=/proc/run", *OPTIONS)
    assert (
        status == 2 and error.count("\n") == 1 and "run_dir=/proc/run: cannot be written" in error
    )


def test_two_processes_on_one_run(nursery, undisturbed, train, tmp_path):
    run = tmp_path / "run"
    pid = nursery.start(run, "train.epochs=10000")
    wait_for(run / "checkpoint-last.pt")
    status, _, error = train(f"run_dir={run}", *OPTIONS, "train.epochs=10000")
    assert status == 2 and "another process is training here" in error.splitlines()[-1]
    os.kill(pid, signal.SIGKILL)
    nursery.wait()
    assert train(f"run_dir={run}", *OPTIONS)[2].startswith(
        "error: "
    )  # another configuration: refused, not mixed


@pytest.mark.parametrize("disk", ["size=64k", "ro"])
def test_a_disk_that_is_full_or_may_not_be_written(nursery, undisturbed, tmp_path, disk):
    """One line and status 1 or 2; when there is room, the run goes on."""
    (tmp_path / "disk").mkdir()
    log = tmp_path / "disk/run.log"
    nursery.start(tmp_path / "disk/run", disk={"at": str(tmp_path / "disk"), "options": disk})
    if nursery.wait() == 77:
        pytest.skip("file systems cannot be mounted here")
    said = log.read_text()
    assert "Traceback" not in said and content(tmp_path / "disk-after/run") == content(
        undisturbed[0]
    )
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert (
        str(tmp_path / "disk/run") in line
        and ("Read-only file system" if disk == "ro" else "No space left") in line
    )
    assert f"status {2 if disk == 'ro' else 1}" in said


@pytest.fixture(scope="module")
def cut(nursery, undisturbed, tmp_path_factory):
    """A run that was killed half way, with two checkpoints."""
    for number in range(20):  # the last one may just be on its way again
        run = tmp_path_factory.mktemp("cut") / f"run{number}"
        pid = nursery.start(run)
        wait_for(run / "checkpoint-previous.pt")
        wait_for(run / "checkpoint-last.pt")
        os.kill(pid, signal.SIGKILL)
        if nursery.wait() != 0 and (run / "checkpoint-last.pt").exists():
            return run
    raise AssertionError("no kill left two checkpoints")


@pytest.fixture
def run(cut, tmp_path):
    """The same, to be spoiled."""
    return shutil.copytree(cut, tmp_path / "run")


def flipped(content, generator):
    bad = bytearray(content)
    bad[generator.randrange(len(bad))] ^= 1 << generator.randrange(8)
    return bytes(bad)


def test_flipped_bits_in_a_checkpoint_are_noticed(run, capsys):
    """Wherever a bit flips, what is read is what was written, or else the checkpoint before it."""
    checkpoints = Checkpoints(run)
    written = {which: checkpoints.path(which).read_bytes() for which in ("last", "previous")}
    good = {which: plain(checkpoints.load(which)) for which in written}
    generator = random.Random(0)
    fallen_back = 0
    for number in range(100):
        bad = (
            flipped(written["last"], generator)
            if number % 2
            else written["last"][: generator.randrange(len(written["last"]))]
        )
        checkpoints.path("last").write_bytes(bad)
        checkpoints.path("previous").write_bytes(written["previous"])
        state = plain(checkpoints.state())
        error = capsys.readouterr().err
        assert (
            state == good["previous" if error else "last"]
        )  # the bit may be in what no one reads, such as a date
        if error:
            fallen_back += 1
            assert error.count("\n") == 1 and "checkpoint-last.pt: damaged" in error
            assert f"going on from {checkpoints.path('previous')} (epoch {state['epoch']})" in error
            assert not checkpoints.path("previous").exists()
    assert fallen_back > 80


@pytest.mark.parametrize("missing", [True, False])
def test_the_checkpoint_before_the_last_stands_in(undisturbed, train, run, missing):
    """A damaged one, or a kill between two renamings."""
    last = run / "checkpoint-last.pt"
    last.unlink() if missing else last.write_bytes(last.read_bytes()[:-1])
    status, _, error = train(f"run_dir={run}", *OPTIONS)
    assert status == 0 and missing == ("checkpoint-last.pt: damaged" not in error)
    assert content(run) == content(undisturbed[0])
    assert not (run / "checkpoint-previous.pt").exists()


def test_where_no_checkpoint_is_good_all_stays_as_it_is(train, run):
    for which in ("last", "previous"):
        (run / f"checkpoint-{which}.pt").write_bytes(b"half")
    before = {
        file.name: file.read_bytes()
        for file in run.glob("[!.]*")
        if file.name != "environment.json"
    }
    status, _, error = train(f"run_dir={run}", *OPTIONS)
    assert status == 2
    line = error.splitlines()[-1]
    assert "checkpoint-last.pt: damaged" in line and "checkpoint-previous.pt: damaged" in line
    assert "checkpoint-best.pt (epoch " in line and f"remove {run} to train again" in line
    assert before == {
        file.name: file.read_bytes()
        for file in run.glob("[!.]*")
        if file.name != "environment.json"
    }


def test_damaged_best_weights_are_written_again(undisturbed, train, run):
    (run / "checkpoint-best.pt").write_bytes(b"half")
    assert train(f"run_dir={run}", *OPTIONS)[0] == 0
    assert content(run) == content(undisturbed[0])


def test_damaged_best_weights_are_read_from_the_last_checkpoint(undisturbed, tmp_path, capsys):
    run = shutil.copytree(undisturbed[0], tmp_path / "run")
    good = plain(load_run(run, device="cpu").model.state_dict())
    (run / "checkpoint-best.pt").write_bytes(b"half")
    assert plain(load_run(run, device="cpu").model.state_dict()) == good
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "checkpoint-best.pt: damaged" in line
        and "checkpoint-last.pt holds the same weights" in line
    )
    (run / "checkpoint-last.pt").write_bytes(b"half")
    with pytest.raises(RequestError, match=r"checkpoint-best\.pt: damaged"):
        load_run(run, device="cpu")
    shutil.copy(undisturbed[0] / "checkpoint-best.pt", run)
    with pytest.raises(
        RequestError, match=r"last\.pt: damaged.*best\.pt \(epoch \d+\) is good: --checkpoint best"
    ):
        load_run(run, checkpoint="last", device="cpu")


@pytest.mark.parametrize("kind", ["cut", "flipped", "another value", "missing"])
def test_a_damaged_configuration_is_written_again(undisturbed, train, run, kind):
    """The checkpoint knows its request: the same command goes on, and another is refused."""
    file = run / "config.yaml"
    good = file.read_text()
    bad = {
        "cut": good[: len(good) // 2],
        "flipped": good.replace("seed:", "\x00eed:", 1),
        "missing": "",
    }
    file.write_text(bad.get(kind, good.replace("latent_dim: 2", "latent_dim: 3")))
    if kind == "missing":
        file.unlink()
    before = (run / "metrics.jsonl").read_bytes()
    status, _, error = train(f"run_dir={run}", *OPTIONS, "latent_dim=4")
    assert status == 2 and error.splitlines()[-1].startswith(f"error: run_dir={run}: ")
    assert (run / "metrics.jsonl").read_bytes() == before
    status, _, error = train(f"run_dir={run}", *OPTIONS)
    assert (
        status == 0
        and f"warning: run_dir={run}: " in error
        and "config.yaml is written again" in error
    )
    assert identity(RunDirectory(run).read_config()) == identity(yaml.safe_load(good))
    assert content(run) == content(undisturbed[0])


def test_a_configuration_that_was_changed_is_told(undisturbed, tmp_path, capsys):
    run = shutil.copytree(undisturbed[0], tmp_path / "run")
    file = run / "config.yaml"
    told, good = "config.yaml is not what the checkpoint was trained with", file.read_text()
    few = ("--particles", "2", "--compile", "off", "--device", "cpu")
    edits = {"batch_size: 100": "batch_size: 1", "standard_normal": "laplace", "seed: 0": "seed: 1"}

    def note():
        capsys.readouterr()
        assert compare.main([str(run)]) == 0
        return " ".join(capsys.readouterr().out.split())

    assert evaluate.main([*map(str, (run, *few))]) == 0 and told not in note()
    for before, after in edits.items():
        assert before in good
        file.write_text(good.replace(before, after))
        assert told in note()
        load_run(run, device="cpu")
        assert told in capsys.readouterr().err
    evaluate.main([*map(str, (run, *few))])
    assert told in note()


def test_no_finished_metric_is_lost(undisturbed, train, run):
    """Lost lines of the checkpoint's epochs are in the checkpoint; others are measured again."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    (run / "metrics.jsonl").write_text("\n".join(["[" * 100_000, "3", *lines[3:], lines[-1][:30]]))
    assert train(f"run_dir={run}", *OPTIONS)[0] == 0
    assert content(run) == content(undisturbed[0])


def test_a_damaged_line_of_metrics_takes_no_other_with_it(undisturbed, tmp_path):
    run = shutil.copytree(undisturbed[0], tmp_path / "run")
    lines = (run / "metrics.jsonl").read_text().splitlines()
    damaged = [*lines[:7], lines[7][:20], "[" * 100_000, "3", *lines[8:], lines[-1][:30]]
    (run / "metrics.jsonl").write_text("\n".join(damaged))
    assert RunDirectory(run).read_metrics() == [json.loads(line) for line in lines[:7] + lines[8:]]


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_clock_jumps_change_nothing(undisturbed, train, tmp_path, monkeypatch, jump):
    now, calls = time.time, iter(range(10**9))
    for clock in ("time.time", "tqdm.std.time"):
        monkeypatch.setattr(clock, lambda: now() + jump * (next(calls) % 2))
    assert train(f"run_dir={tmp_path / 'run'}", *OPTIONS)[0] == 0
    assert content(tmp_path / "run")[0] == content(undisturbed[0])[0]
