"""What is read of a run directory is a plain file of bounded size; what is odd in it is refused.

Every refusal is one line, and neither memory nor time is taken before it.
"""

import io
import json
import os
import shutil
import time
import zipfile

import numpy as np
import pytest
import torch

import compare
from errors import RequestError
from experiment import load_run
from experiment.allocation import elements
from experiment.build import build
from experiment.checkpoints import Checkpoints, verify
from experiment.load import infinities, not_finite
from experiment.request import Choice
from report.comparison.arrays import LARGEST_ARRAYS, read_arrays
from tests.faults.conftest import QUICK, TINY
from tests.made_runs import make_run

FILES = (
    *("config.yaml", "metrics.jsonl", "checkpoint-best.pt", "checkpoint-last.pt"),
    *("evaluation.json", "evaluation.npz", ".lock", ".lock-evaluation", "DONE"),
)


def one_line(error):
    lines = [line for line in error.splitlines() if not line.startswith(("warning: ", "epoch "))]
    return len(lines) <= 1 and "Traceback" not in error


@pytest.fixture
def run(good, tmp_path):
    return shutil.copytree(good, tmp_path / "run")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
@pytest.mark.parametrize("name", FILES)
def test_something_else_in_the_place_of_a_file(run, train, evaluate, monkeypatch, name, kind):
    """No command waits for a pipe, or reads a device for ever."""
    monkeypatch.setattr("evaluation.command._measured", lambda path, *_: load_run(path).metrics)
    place = run / name
    place.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "device":
            place.symlink_to("/dev/zero")
        case "folder":
            place.mkdir()
        case "loop":
            place.symlink_to(place)
    began = time.monotonic()
    status, _, error = evaluate(run, *QUICK)
    assert status in (0, 1, 2) and one_line(error), error
    assert compare.main([str(run)]) in (0, 2)
    if name != "DONE":
        (run / "DONE").unlink()
    status, _, error = train(*TINY, f"run_dir={run}")
    assert status in (0, 1, 2) and one_line(error), error
    assert time.monotonic() - began < 20


def test_what_is_shared_in_a_checkpoint_counts_once_and_is_visited_once():
    nested: object = [torch.zeros(3)]
    for _ in range(14):
        nested = [nested] * 10
    looped: list[object] = [torch.zeros(2)]
    looped.append(looped)
    one = torch.zeros(10**6)
    assert elements({"x": nested, "y": looped, "z": [one[i:] for i in range(3000)]}) == 10**6 + 5
    assert elements([torch.zeros(5, device="meta"), torch.zeros(2, 2).to_sparse(), "x", None]) == 0
    assert elements({"a": torch.zeros(4), "b": (torch.zeros(6),), "c": [torch.zeros(0)]}) == 10


def test_a_checkpoint_of_one_storage_many_times_gives_no_room(run):
    """Its numbers counted 3,000 times would let a width of 22,000 be built."""
    state = torch.load(run / "checkpoint-best.pt", weights_only=True)
    torch.save(state | {"x": [torch.zeros(10**6)] * 3000}, run / "checkpoint-best.pt")
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("width: 8", "width: 22000"))
    with pytest.raises(RequestError, match="more than"):
        load_run(run)


def test_members_of_a_checkpoint_upon_each_other(tmp_path):
    """A thousand names for the same bytes of the file would be read a thousand times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data", bytes(1000))
        first = archive.infolist()[0]
        archive.filelist += [first] * 1000
    with pytest.raises(zipfile.BadZipFile, match="upon each other"):
        verify(buffer)


def test_arrays_are_counted_before_they_are_read():
    """Many members that unpack to much, and ways of packing with dictionaries of any size."""
    names = [f"e{i}" for i in range(40)]

    def packed(count, method=zipfile.ZIP_DEFLATED):
        array = io.BytesIO()
        np.save(array, np.zeros(10))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name in names[:count]:
                archive.writestr(f"{name}.npy", array.getvalue())
        return buffer.getvalue()

    assert len(dict(read_arrays(packed(40), 10, names))) == 40
    with pytest.raises(ValueError, match="too many"):
        list(read_arrays(packed(40), LARGEST_ARRAYS // 300, names))
    with pytest.raises(ValueError, match="another way"):
        list(read_arrays(packed(1, zipfile.ZIP_LZMA), 10, names))


@pytest.mark.parametrize(
    "options",
    [
        {"factors": 10**9, "dimensions": 1},
        {"factors": 10**5, "dimensions": 1},
        {"dimensions": 10**9},
        {"examples": 10**12},
        {"noise": 1e-200},
        {"noise": float("nan")},
        {"noise": 1e200},
    ],
)
def test_absurd_synthetic_data(options):
    with pytest.raises(RequestError, match=r"data\.(dimensions|noise)="):
        build("data", Choice("linear_gaussian", options))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["model", "guide"])
def test_weights_that_are_not_finite(run, evaluate, value, part):
    state = torch.load(run / "checkpoint-best.pt", weights_only=True)
    name = next(iter(state[part]))
    state[part][name].view(-1)[0] = value
    torch.save(state, run / "checkpoint-best.pt")
    status, _, error = evaluate(run, *QUICK)
    assert status == 2 and f"{name} of the {part} is NaN or infinite" in error and one_line(error)


def test_infinities_belong_where_a_program_is_built_with_them():
    program = torch.nn.Linear(2, 1)
    program.register_buffer("ends", torch.tensor([-torch.inf, 0.0]))
    ends = infinities(program)
    assert not_finite(program, ends) is None
    program.ends[1] = torch.inf
    assert not_finite(program, ends) == "ends"


ODD = ("fast", None, [], {}, -1, float("nan"), True, [[[]]], torch.zeros(2))
PLACES = (
    *(("epoch",), ("seconds",), ("compiled",), ("processes",), ("metrics",), ("best",)),
    *(("best", "elbo"), ("best", "epoch"), ("best", "model"), ("metrics", 0), ("model",)),
    *(("metrics", 0, "elbo"), ("metrics", 0, "epoch"), ("optimiser",), ("optimiser", "adam")),
    *(("optimiser", "adam", "state"), ("optimiser", "adam", "state", 0)),
    *(("optimiser", "adam", "state", 0, n) for n in ("step", "exp_avg", "exp_avg_sq")),
    *(("optimiser", "adam", "param_groups", 0, n) for n in ("lr", "betas", "eps", "params")),
    *(("optimiser", "schedule", n) for n in ("last_epoch", "base_lrs", "step", "_last_lr")),
)


@pytest.mark.verify
@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_odd_values_where_training_resumes(run, train, path):
    """It goes on, or is refused in one line. Nothing from the file is called."""
    (run / "DONE").unlink()
    file = run / "checkpoint-last.pt"
    good = torch.load(file, weights_only=True)
    good["epoch"] = 1
    for value in ODD:
        state = torch.load(io.BytesIO(saved(good)), weights_only=True)
        inner = state
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        file.write_bytes(saved(state))
        status, _, error = train(*TINY, f"run_dir={run}")
        assert status in (0, 1, 2) and one_line(error), (value, error)
        (run / "DONE").unlink(missing_ok=True)


def saved(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def test_a_tower_of_lists_in_metrics_is_not_written_out(run, train):
    """A checkpoint of 2 KB would become a metrics.jsonl of 10¹⁴ numbers."""
    (run / "DONE").unlink()
    tower: object = [1.0]
    for _ in range(14):
        tower = [tower] * 10
    state = Checkpoints(run).load("last")
    state["metrics"][0]["x"] = tower
    torch.save(state, run / "checkpoint-last.pt")
    status, _, error = train(*TINY, f"run_dir={run}")
    assert status == 2 and "does not fit" in error


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, "."])
def test_names_that_no_file_can_have(evaluate, train, tmp_path, name):
    status, _, error = evaluate(tmp_path / name)
    assert status == 2 and error.count("\n") == 1
    assert compare.main([str(tmp_path / name)]) == 2
    run = make_run(tmp_path / "run", np.arange(8.0))
    if name != ".":
        assert compare.main([str(run), "--out", str(tmp_path / name / "page.html")]) == 2


def test_files_without_permission(run, evaluate, monkeypatch):
    """Said by the system where it is not root that asks; here it is said for it."""

    def refused(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("experiment.files.os.open", refused)
    status, _, error = evaluate(run, *QUICK)
    assert status == 2 and "Permission denied" in error and one_line(error)
    assert compare.main([str(run)]) == 2


@pytest.mark.parametrize("text", ["[" * 10**5, "1" * 10**5, '{"nats": ' * 10**4, "NaN", "é", ""])
def test_crafted_evaluations(tmp_path, text, capsys):
    run = make_run(tmp_path / "run", np.arange(8.0))
    for content in (text, json.dumps({"data": text, "nats": text})):
        (run / "evaluation.json").write_text(content)
        assert compare.main([str(run)]) == 2
        assert one_line(capsys.readouterr().err)
