"""Streamed data have the numbers that they have in memory, and take a bounded amount of it.

An epoch has every datum once, and the parts of several processes are disjoint.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

import inference.loop
from configs.compose import request_from
from data import View, open_dataset
from data.sources import arrays
from data.storage import InMemory
from data.streaming import OnDisk
from data.view import in_bytes
from experiment.build import build_data
from tests.conftest import ROOT

ROWS, SHAPE = 5000, (6, 5)
GREY = np.random.default_rng(0).integers(0, 256, (ROWS, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "grey.npy", GREY)
    np.save(folder / "grey-in-unit.npy", GREY / np.float32(255))
    np.save(folder / "real.npy", np.random.default_rng(1).normal(size=(ROWS, 7)))
    np.save(folder / "labels.npy", np.arange(ROWS))
    return folder


def opened(file, space, limit, **options):
    raw = arrays.load(str(file), labels=str(file.with_name("labels.npy")), split_by="order")
    return open_dataset(raw, "mine", View(space, memory_limit=limit, **options))


@pytest.mark.parametrize(
    ("name", "space", "binarisation"),
    [
        ("grey", "bytes", "dynamic"),
        ("grey", "binary", "dynamic"),
        ("grey", "binary", "fixed"),
        ("grey", "binary", "threshold"),
        ("grey", "unit", "dynamic"),
        ("grey", "real", "dynamic"),
        ("real", "real", "dynamic"),
        ("grey-in-unit", "binary", "fixed"),
        ("grey-in-unit", "binary", "dynamic"),
    ],
)
def test_streamed_numbers_are_those_in_memory(files, monkeypatch, name, space, binarisation):
    """The noise is the same, too, although several blocks have seeds of their own."""
    for module in ("storage", "streaming"):
        monkeypatch.setattr(f"data.{module}.FLOATS_PER_SEED", 3000)
    memory, disk = (
        opened(files / f"{name}.npy", space, limit, binarisation=binarisation)
        for limit in (None, 20_000)
    )
    assert isinstance(memory.train.stored, InMemory) and isinstance(disk.train.stored, OnDisk)
    assert memory.quantum == disk.quantum and torch.equal(memory.mean, disk.mean)
    stored = torch.from_numpy(GREY[4500:]).double()
    levels = {"bytes": memory.test[:], "unit": (memory.test[:].double() * 256).floor()}
    if name == "grey" and space in levels:
        assert torch.equal(levels[space].double(), stored)
    if binarisation == "threshold":
        assert torch.equal(memory.test[:], (stored > 255 / 2).float())
    index = torch.randint(500, (40,))
    for part in ("valid", "test"):
        assert torch.equal(memory(part)[:], disk(part)[:])
        for rows in (slice(3, 450), slice(7, 7), slice(10, 400, 7), slice(-5, None), index):
            assert torch.equal(memory(part)[rows], disk(part)[rows]), rows
    if binarisation == "dynamic":
        torch.manual_seed(0)
        expected = memory.train[:900]
        torch.manual_seed(0)
        assert torch.equal(expected, disk.train[:900])
    else:
        assert torch.equal(memory.train[:], disk.train[:])


def numbers(split, size, part=0, parts=1):
    """The rows of every batch, by their labels; each came with its own values."""
    found = []
    for rows, values in split.stored.shuffled(size, part, parts):
        assert torch.equal(values, split.stored[rows])
        found.append(split.labels[rows])
    return found


@pytest.mark.parametrize(
    ("limit", "size", "parts"),
    [(20_000, 64, 1), (20_000, 64, 2), (20_000, 64, 3), (4000, 300, 3), (100, 7, 2)],
)
def test_an_epoch_sees_every_datum_once_and_parts_are_disjoint(files, limit, size, parts):
    train = opened(files / "grey.npy", "bytes", limit).train
    found = []
    for part in range(parts):
        torch.manual_seed(5)
        found.append(numbers(train, size, part, parts))
    batches = [torch.cat(together) for together in zip(*found, strict=True)]
    assert [len(batch) for batch in batches] == [size] * (4000 // size) + [4000 % size] * (
        4000 % size > 0
    )
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(4000))
    for together in zip(*found, strict=True):
        assert max(map(len, together)) - min(map(len, together)) <= 1


def test_parts_read_other_blocks(files):
    """Two parts share at most one block in the middle."""
    train = opened(files / "grey.npy", "bytes", 20_000).train
    rows = train.stored.block_rows
    blocks = []
    for part in range(2):
        torch.manual_seed(5)
        blocks.append({int(row) // rows for batch in numbers(train, 64, part, 2) for row in batch})
    assert len(blocks[0] & blocks[1]) <= 1 and min(map(len, blocks)) > 100


def test_the_order_is_that_of_the_generator_and_is_well_mixed(files):
    """A row's number and its place in the epoch are uncorrelated; a batch has rows of many blocks.

    With blocks in random order the correlation has a standard deviation of 1/√(blocks − 1);
    the error probability is 6e-7.
    """
    stored = opened(files / "grey.npy", "bytes", 20_000).train.stored

    def epoch(seed):
        torch.manual_seed(seed)
        return [rows for rows, _ in stored.shuffled(50, 0, 1)]

    first, again, other = (torch.cat(epoch(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    blocks = len(stored) / stored.block_rows

    def correlation(order):
        return float(
            torch.corrcoef(torch.stack([order.double(), torch.arange(len(order)).double()]))[0, 1]
        )

    assert abs(correlation(first)) < 5 / (blocks - 1) ** 0.5 < correlation(torch.arange(len(first)))
    assert abs(correlation(other)) < 5 / (blocks - 1) ** 0.5
    distinct = [len(set((batch // stored.block_rows).tolist())) for batch in epoch(1)]
    assert min(distinct[:-1]) >= 8


MEASURE = r"""
import re, sys, torch, scipy.stats
from pathlib import Path
from data import View, open_dataset
from data.sources import arrays
peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024
torch.rand(2**20).double().sum()
before = peak()
raw = arrays.load(sys.argv[1], split_by="order")
data = open_dataset(raw, "mine", View(sys.argv[3], memory_limit=sys.argv[2]))
seen = sum(batch.size for batch in data.train.shuffled(100))
for part in ("train", "valid", "test"):
    seen += sum(batch.size for batch in data(part).batches(500))
print(seen, peak() - before)
"""


def test_memory_is_bounded(tmp_path):
    """A process that streams 320 MB at a limit of 80 MB grows by half of that, and some tens of MB.

    Half the limit is two buffers; the rest passes through. A process that reads the file whole
    grows by more than the file.
    """
    shape = (80_000, 4000)
    large = np.lib.format.open_memmap(
        tmp_path / "large.npy", mode="w+", dtype=np.uint8, shape=shape
    )
    large[0] = 255  # bytes that are only 0 and 1 are refused
    large.flush()

    def grown(limit):
        result = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path / "large.npy"), limit, "bytes"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        seen, growth = map(int, result.stdout.split())
        assert seen == 64_000 + 80_000
        return growth

    assert grown("80MB") < 40e6 + 60e6
    assert grown("1GB") > 320e6


def test_a_run_on_streamed_data_goes_on_bit_for_bit(files, train, tmp_path, monkeypatch):
    options = [
        f"data.path={files / 'grey.npy'}",
        "data=arrays",
        "data.memory_limit=20kB",
        "likelihood=continuous_bernoulli",
    ]
    options += [
        "prior=vamp",
        "prior.components=20",
        "network.width=8",
        "train.epochs=3",
        "device=cpu",
        "train.compile=off",
    ]
    options += ["train.checkpoint_seconds=0", "train.batch_size=200"]
    assert train(*options, f"run_dir={tmp_path / 'whole'}")[0] == 0
    train_epoch = inference.loop.train_epoch

    def cut(svi, batches, epoch, *others):
        if epoch == 3:
            raise KeyboardInterrupt
        train_epoch(svi, batches, epoch, *others)

    with monkeypatch.context() as patch:
        patch.setattr(inference.loop, "train_epoch", cut)
        assert train(*options, f"run_dir={tmp_path / 'cut'}")[0] == 1
    assert train(*options, f"run_dir={tmp_path / 'cut'}")[0] == 0
    whole, parts = (
        torch.load(tmp_path / run / "checkpoint-last.pt", weights_only=True)
        for run in ("whole", "cut")
    )
    assert all(torch.equal(whole["model"][name], parts["model"][name]) for name in whole["model"])
    elbos = [
        [
            json.loads(line)["elbo"]
            for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()
        ]
        for run in ("whole", "cut")
    ]
    assert elbos[0] == elbos[1]


def test_what_cannot_be_streamed_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=GREY)
    np.save(tmp_path / "x.npy", np.asfortranarray(GREY))
    for name in ("x.npz", "x.npy"):
        with pytest.raises(
            ValueError,
            match=r"^memory_limit=20,000: the data take 150,000 bytes, and only .* streamed",
        ):
            open_dataset(
                arrays.load(str(tmp_path / name), split_by="order"),
                "mine",
                View("bytes", memory_limit="20kB"),
            )


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4e9), ("1.5 MiB", 1.5 * 2**20), (17, 17), ("20kb", 2e4), (None, np.inf)],
)
def test_limits_are_bytes(text, size):
    assert in_bytes(text) == size


@pytest.mark.parametrize("text", ["4XB", "", "-1", "GB", 0, True, "1e9"])
def test_wrong_limits(text):
    with pytest.raises(ValueError, match=r"^memory_limit="):
        in_bytes(text)


@pytest.mark.parametrize("spoil", [lambda f: os.truncate(f, 500), lambda f: np.save(f, GREY[::-1])])
def test_a_file_that_changes_while_it_is_streamed(tmp_path, train, monkeypatch, spoil):
    """Cut short or written anew, it ends in one line, and not in a signal or other data."""
    file = tmp_path / "x.npy"
    np.save(file, GREY)
    fitted = inference.loop.fit

    def cut_first(*arguments, **options):
        spoil(file)
        return fitted(*arguments, **options)

    monkeypatch.setattr("experiment.training.fit", cut_first)
    status, _, error = train(
        *("data=arrays", f"data.path={file}", "data.memory_limit=20kB", "train.epochs=1"),
        *("network.width=8", "device=cpu", "train.compile=off", f"run_dir={tmp_path / 'run'}"),
        *("likelihood=categorical", "data.space=bytes"),
    )
    assert status == 1 and f"{file}: was changed while it was read" in error
    assert len([line for line in error.splitlines() if line.startswith("error")]) == 1


def loaded(folder, stage, limit, monkeypatch):
    """Loads data and passes over them, after its files were cut short at a stage of it."""
    named = {"plain_labels": "labels.npy"}.get(stage, "x.npy")
    module = "experiment.build" if stage == "open_dataset" else "data.sources.arrays"

    found = vars(sys.modules[module])[stage]

    def cut(*given, **options):
        os.truncate(folder / named, 500)
        return found(*given, **options)

    monkeypatch.setattr(f"{module}.{stage}", cut)
    words = ("data=arrays", f"data.path={folder / 'x.npy'}", f"data.labels={folder / 'labels.npy'}")
    more = ("likelihood=categorical", "data.split_by=order", f"data.memory_limit={limit}")
    data = build_data(request_from(*words, *more))
    return sum(float(batch.x.sum()) for batch in data.train.shuffled(500))


@pytest.mark.parametrize("limit", ["20kB", "4GB"])
@pytest.mark.parametrize(
    "stage", ["check_numbers", "own_levels", "_split", "drift", "plain_labels", "open_dataset"]
)
def test_no_file_that_is_cut_short_ends_the_process_by_a_signal(
    tmp_path, monkeypatch, stage, limit
):
    """SIGBUS is what touching a mapped page of it would bring, wherever it is read."""
    np.save(tmp_path / "x.npy", GREY)
    np.save(tmp_path / "labels.npy", np.arange(ROWS))
    child = os.fork()
    if not child:
        try:
            loaded(tmp_path, stage, limit, monkeypatch)
            os._exit(4)
        except (OSError, ValueError) as error:
            os._exit(3 if "was changed while it was read" in str(error) else 5)
        finally:
            os._exit(6)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status), f"signal {os.WTERMSIG(status)}"
    assert os.WEXITSTATUS(status) == 3
