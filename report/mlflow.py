"""compare.py --export mlflow: evaluated runs as runs of an MLflow store, the one that MLFLOW_TRACKING_URI names.

A run is found again by its identity, everything in the configuration that makes it what it is: exporting twice adds
only what is new, such as the numbers of a later evaluation.
"""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from errors import RequestError
from experiment.directory import digest, identity, of_split
from report.comparison.reading import EvaluatedRun

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # MLflow would tell its makers
os.environ.setdefault(
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"
)  # a server that is not there is told of in seconds

import mlflow
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

TAG = "vae.identity"
LONGEST = 500
"""Characters of a parameter that every store takes."""
AT_ONCE = 1000
"""Metrics that a store takes in one request."""


def export(runs: Sequence[EvaluatedRun]) -> str:
    """Log every run, and return where. Raises RequestError, in one line, for a store that cannot be used."""
    try:
        client = mlflow.MlflowClient()
        for run in runs:
            export_one(client, run)
    except MlflowException as error:
        raise RequestError(
            f"--export mlflow: {mlflow.get_tracking_uri()}: {' '.join(str(error).split())[:300]}"
        ) from error
    return str(mlflow.get_tracking_uri())


def export_one(client: mlflow.MlflowClient, run: EvaluatedRun) -> None:
    """One run: parameters, metrics by epoch, the evaluation with its errors, and files; in the experiment of its data."""
    ended = int((run.path / of_split("evaluation.json", run.split)).stat().st_mtime * 1000)
    found = find_or_create(client, run, ended)
    known = found.data.params
    params = [
        Param(name, str(value)[:LONGEST])
        for name, value in parameters(run).items()
        if name not in known
    ]
    logged = {
        name: {(m.step, m.value) for m in client.get_metric_history(found.info.run_id, name)}
        for name in found.data.metrics
    }
    new = [m for m in metrics(run, ended) if (m.step, m.value) not in logged.get(m.key, ())]
    for start in range(0, max(len(new), 1), AT_ONCE):
        client.log_batch(
            found.info.run_id,
            metrics=new[start : start + AT_ONCE],
            params=params[:100] if start == 0 else (),
        )
    for file in files(run):
        folder = file.parent.relative_to(run.path).as_posix()
        client.log_artifact(found.info.run_id, str(file), None if folder == "." else folder)
    client.set_terminated(found.info.run_id, end_time=ended)


def find_or_create(client: mlflow.MlflowClient, run: EvaluatedRun, ended: int) -> Any:
    """The store's run with this identity."""
    name = str(run.data["name"])
    experiment = client.get_experiment_by_name(name)
    place = experiment.experiment_id if experiment else client.create_experiment(name)
    key = digest(run.config)
    there = client.search_runs([place], f"tags.`{TAG}` = '{key}'", max_results=1)
    if there:
        return there[0]
    seconds = max((record.get("seconds", 0.0) for record in run.metrics), default=0.0)
    tags = {
        TAG: key,
        "mlflow.runName": run.path.name,
        "split": str(run.data["split"]),
        "space": str(run.data["space"]),
    }
    return client.create_run(place, start_time=ended - int(1000 * seconds), tags=tags)


def parameters(run: EvaluatedRun) -> dict[str, Any]:
    """The choice on every axis, and every option that makes the run what it is."""
    named = {name.removeprefix("choices."): value for name, value in identity(run.config).items()}
    return {name: value for name, value in named.items() if not name.endswith("_target_")}


def metrics(run: EvaluatedRun, ended: int) -> Iterator[Metric]:
    """<split>/<quantity> by epoch, and <quantity>, <quantity>_se of the evaluation at the epoch that was evaluated."""
    whole = max((record.get("seconds", 0.0) for record in run.metrics), default=0.0)
    for record in run.metrics:
        when = ended - int(1000 * (whole - record.get("seconds", whole)))
        for name, value in record.items():
            if isinstance(value, float) and math.isfinite(value):
                yield Metric(f"{record['split']}/{name}", value, when, record["epoch"])
    last = max((record["epoch"] for record in run.metrics), default=0)
    for name, entry in run.nats.items():
        for suffix, value in (("", entry["mean"]), ("_se", entry.get("se"))):
            if isinstance(value, int | float) and math.isfinite(value):
                yield Metric(
                    f"{of_split('evaluation', run.split)}/{name}{suffix}", float(value), ended, last
                )


def files(run: EvaluatedRun) -> Iterator[Path]:
    """What is worth keeping there; links that lead out of the run directory are not followed."""
    inside = run.path.resolve()
    evaluation, page, figures = (
        of_split(name, run.split) for name in ("evaluation.json", "report.html", "figures")
    )
    for pattern in ("config.yaml", "environment.json", evaluation, page, f"{figures}/*.png"):
        for file in sorted(run.path.glob(pattern)):
            if file.is_file() and file.resolve().is_relative_to(inside):
                yield file
