"""compare.py --export mlflow, against a local store."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import compare
from tests.conftest import ROOT
from tests.made_runs import make_run

mlflow = pytest.importorskip("mlflow", reason="pip install -r requirements/tracking.txt")
pytest.importorskip("sqlalchemy", reason="pip install -r requirements/tracking.txt")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder, two runs, and a function that exports them and returns what is in the store."""
    folder = tmp_path_factory.mktemp("mlflow")
    noise = np.random.default_rng(0)
    runs = [
        make_run(folder / f"run-{seed}", noise.normal(-30, 5, 40), seed=seed) for seed in (0, 1)
    ]
    before = dict(os.environ)  # MLflow sets variables of its own
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'store.db'}"
    here = Path.cwd()
    os.chdir(folder)  # where MLflow keeps artefacts

    def again():
        assert compare.main([*map(str, runs), "--export", "mlflow"]) == 0
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("digits")
        return client, {
            run.info.run_name: run for run in client.search_runs([experiment.experiment_id])
        }

    yield folder, runs, again
    os.chdir(here)
    os.environ.clear()
    os.environ.update(before)


def histories(client, run):
    return {
        name: sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def test_everything_is_there_and_a_second_export_adds_nothing(exported):
    _, runs, again = exported
    client, first = again()
    assert set(first) == {"run-0", "run-1"}
    one = first["run-0"]
    assert (
        one.data.params["latent_dim"] == "2"
        and one.data.params["prior"] == "standard_normal"
        and one.info.status == "FINISHED"
    )
    elbo = np.load(runs[0] / "evaluation.npz")["elbo"]
    assert one.data.metrics["evaluation/elbo"] == pytest.approx(elbo.mean())
    assert one.data.metrics["evaluation/elbo_se"] == pytest.approx(elbo.std(ddof=1) / 40**0.5)
    curve = histories(client, one)["valid/elbo"]
    assert [step for step, _ in curve] == [1, 2, 3] and curve[0][1] == pytest.approx(
        elbo.mean() - 5
    )
    assert {file.path for file in client.list_artifacts(one.info.run_id, "figures")} >= {
        "figures/samples.png"
    }

    _, second = again()
    assert {name: run.info.run_id for name, run in second.items()} == {
        name: run.info.run_id for name, run in first.items()
    }
    assert all(histories(client, second[name]) == histories(client, first[name]) for name in first)


def test_a_later_evaluation_updates_the_run(exported):
    _, runs, again = exported
    again()
    evaluation = json.loads((runs[1] / "evaluation.json").read_text())
    evaluation["nats"]["elbo"]["mean"] = -1000.0
    (runs[1] / "evaluation.json").write_text(json.dumps(evaluation))
    os.utime(runs[1] / "evaluation.json", (2e9, 2e9))
    client, found = again()
    assert len(found) == 2 and found["run-1"].data.metrics["evaluation/elbo"] == -1000
    assert len(histories(client, found["run-1"])["valid/elbo"]) == 3


def test_links_out_of_the_run_are_not_followed(exported):
    folder, runs, again = exported
    (folder / "secret.png").write_bytes(b"secret")
    (runs[0] / "figures/link.png").symlink_to(folder / "secret.png")
    client, found = again()
    assert "figures/link.png" not in {
        file.path for file in client.list_artifacts(found["run-0"].info.run_id, "figures")
    }


def test_nothing_is_set_before_it_exports():
    """Importing the module imports no MLflow and changes no environment for whoever imports it."""
    code = (
        "import os, sys; before = dict(os.environ); import report.mlflow;"
        "sys.exit('mlflow' in sys.modules or before != dict(os.environ))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_store_that_cannot_be_used_is_refused_in_one_line(exported, monkeypatch, capsys):
    _, runs, _ = exported
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "foo://nowhere")
    assert compare.main([str(runs[0]), "--export", "mlflow"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("error: --export mlflow: foo://nowhere")
