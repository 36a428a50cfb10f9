"""TensorBoard reads what train.tensorboard=true writes, of a run that was cut too."""

import json

import pytest
import torch

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="pip install -r requirements/tracking.txt",
)

OPTIONS = (
    "train.epochs=6",
    "network.width=8",
    "data.limit=80",
    "device=cpu",
    "train.checkpoint_seconds=0",
)


def read(run):
    """Returns curves {tag: [(step, value), …]} and the steps of pictures, without purged events."""
    events = event_accumulator.EventAccumulator(
        str(run / "tensorboard"), size_guidance={"images": 0, "scalars": 0}
    ).Reload()
    tags = events.Tags()
    curves = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}
    return curves, {tag: [e.step for e in events.Images(tag)] for tag in tags["images"]}, events


def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def checkpoint(run):
    state = torch.load(run / "checkpoint-last.pt", weights_only=True)
    return {**state["model"], **state["guide"]}


def check_curves(run):
    curves, _, _ = read(run)
    for record in metrics(run):
        for name in ("elbo", "reconstruction", "kl"):
            curve = dict(curves[f"{name}/{record['split']}"])
            assert curve[record["epoch"]] == pytest.approx(record[name], rel=1e-6)
    assert all([step for step, _ in curve] == [1, 2, 3, 4, 5, 6] for curve in curves.values())
    return curves


@pytest.fixture
def watched(train, tmp_path):
    assert train(*OPTIONS, f"run_dir={tmp_path / 'run'}", "train.tensorboard=true")[0] == 0
    return tmp_path / "run"


def test_curves_pictures_and_hyperparameters(watched):
    curves = check_curves(watched)
    _, pictures, events = read(watched)
    assert {"learning_rate", "hparams/best_elbo"} <= set(curves)
    assert pictures["reconstructions"] == pictures["samples"] == [1, 2, 3, 4, 5, 6]
    experiment = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"latent_dim" in experiment and b"standard_normal" in experiment


def test_it_only_looks_on(watched, train, tmp_path):
    """Weights and metrics are those of a run without it, bit for bit, and so is the identity."""
    assert train(*OPTIONS, f"run_dir={tmp_path / 'plain'}")[0] == 0
    one, other = checkpoint(watched), checkpoint(tmp_path / "plain")
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    for a, b in zip(metrics(watched), metrics(tmp_path / "plain"), strict=True):
        assert {k: v for k, v in a.items() if "second" not in k} == {
            k: v for k, v in b.items() if "second" not in k
        }
    status, out, _ = train(*OPTIONS, f"run_dir={watched}")
    assert status == 0 and "done already" in out


def test_a_run_that_was_cut_shows_each_epoch_once(train, tmp_path, monkeypatch):
    """The checkpoint knows nothing of epoch 4, whose event is written; half an event follows it."""
    from experiment.directory import RunDirectory

    run = tmp_path / "run"
    save = RunDirectory.save

    def cut(self, state, best):
        if state["epoch"] == 4:
            raise KeyboardInterrupt
        save(self, state, best)

    with monkeypatch.context() as inner:
        inner.setattr(RunDirectory, "save", cut)
        assert train(*OPTIONS, f"run_dir={run}", "train.tensorboard=true")[0] == 1
    assert read(run)[0]["elbo/valid"][-1][0] == 4
    (file,) = (run / "tensorboard").iterdir()
    file.write_bytes(file.read_bytes() + b"\x18\x00\x00")
    assert train(*OPTIONS, f"run_dir={run}", "train.tensorboard=true")[0] == 0
    check_curves(run)


def test_a_missing_package_is_refused_before_any_work(train, tmp_path, monkeypatch):
    monkeypatch.setattr("configs.optional.find_spec", lambda name: None)
    status, _, error = train(*OPTIONS, f"run_dir={tmp_path / 'run'}", "train.tensorboard=true")
    assert status == 2 and error.count("\n") == 1 and not (tmp_path / "run").exists()
    assert "train.tensorboard=true" in error and "pip install -r requirements/tracking.txt" in error
