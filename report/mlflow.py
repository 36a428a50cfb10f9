"""compare.py --export mlflow: evaluated runs as runs of the store that MLFLOW_TRACKING_URI names.

A run is found again by its identity, everything in the configuration that makes it what it is:
exporting twice adds only what is new, such as the numbers of a later evaluation.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from errors import RequestError
from experiment.choices import Option
from experiment.directory import digest, of_split
from report.comparison.reading import EvaluatedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow reads these when it is imported. It would report its use to its makers, and it would try
# for minutes to reach a server that is not there.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
TAG = "vae.identity"
# Characters of a parameter, parameters in one request and metrics in one request that every store
# takes.
LONGEST, MOST_PARAMETERS, MOST_METRICS = 500, 100, 1000


class Logged(NamedTuple):
    """A number of a run; `timestamp` is in milliseconds."""

    key: str
    value: float
    timestamp: int
    step: int


def export(runs: Sequence[EvaluatedRun]) -> str:
    """Logs every run, and returns the address of the store.

    Raises:
        RequestError: in one line, for a store that cannot be used.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        client = mlflow.MlflowClient()
        for run in runs:
            export_one(client, run)
    except MlflowException as error:
        why = " ".join(str(error).split())[:300]
        raise RequestError(f"--export mlflow: {mlflow.get_tracking_uri()}: {why}") from error
    return str(mlflow.get_tracking_uri())


def export_one(client: "MlflowClient", run: EvaluatedRun) -> None:
    """Logs one run to the experiment of its data: parameters, curves, the evaluation and files."""
    from mlflow.entities import Metric, Param

    evaluation = run.path / of_split("evaluation.json", run.split)
    ended = int(evaluation.stat().st_mtime * 1000)
    found = find_or_create(client, run, ended)
    known, place = found.data.params, found.info.run_id
    named = [(name, value) for name, value in parameters(run).items() if name not in known]
    params = [Param(name, str(value)[:LONGEST]) for name, value in named]
    logged = {
        (m.key, m.step, m.value)
        for name in found.data.metrics
        for m in client.get_metric_history(place, name)
    }
    new = [Metric(*m) for m in metrics(run, ended) if (m.key, m.step, m.value) not in logged]
    client.log_batch(place, params=params[:MOST_PARAMETERS])
    for start in range(0, len(new), MOST_METRICS):
        client.log_batch(place, metrics=new[start : start + MOST_METRICS])
    for file in files(run):
        folder = file.parent.relative_to(run.path).as_posix()
        client.log_artifact(place, str(file), None if folder == "." else folder)
    client.set_terminated(place, end_time=ended)


def find_or_create(client: "MlflowClient", run: EvaluatedRun, ended: int) -> "Run":
    """Returns the store's run with this identity."""
    experiment = client.get_experiment_by_name(run.data.name)
    place = experiment.experiment_id if experiment else client.create_experiment(run.data.name)
    key = digest(run.identity)
    there = client.search_runs([place], f"tags.`{TAG}` = '{key}'", max_results=1)
    if there:
        return there[0]
    tags = {
        TAG: key,
        "mlflow.runName": run.path.name,
        "split": run.data.split,
        "space": run.data.space,
    }
    return client.create_run(place, start_time=ended - _milliseconds(run), tags=tags)


def _milliseconds(run: EvaluatedRun) -> int:
    return int(1000 * max((epoch.seconds or 0.0 for epoch in run.epochs), default=0.0))


def parameters(run: EvaluatedRun) -> dict[str, Option]:
    """Returns the choice on every axis, and every option that makes the run what it is."""
    named = {name.removeprefix("choices."): value for name, value in run.identity.items()}
    return {name: value for name, value in named.items() if not name.endswith("_target_")}


def metrics(run: EvaluatedRun, ended: int) -> Iterator[Logged]:
    """Yields <split>/<quantity> by epoch, then <quantity> and <quantity>_se of the evaluation.

    The numbers of the evaluation belong to the last epoch.
    """
    started = ended - _milliseconds(run)
    for epoch in run.epochs:
        when = ended if epoch.seconds is None else started + int(1000 * epoch.seconds)
        for name, value in epoch.values.items():
            yield Logged(f"{epoch.split}/{name}", value, when, epoch.number)
    last = max((epoch.number for epoch in run.epochs), default=0)
    evaluation = of_split("evaluation", run.split)
    for name, measured in run.nats.items():
        yield Logged(f"{evaluation}/{name}", measured.mean, ended, last)
        if measured.se is not None:
            yield Logged(f"{evaluation}/{name}_se", measured.se, ended, last)


def files(run: EvaluatedRun) -> Iterator[Path]:
    """Yields the files that are kept there; no link out of the run directory is followed."""
    inside = run.path.resolve()
    evaluation, page, figures = (
        of_split(name, run.split) for name in ("evaluation.json", "report.html", "figures")
    )
    for pattern in ("config.yaml", "environment.json", evaluation, page, f"{figures}/*.png"):
        for file in sorted(run.path.glob(pattern)):
            if file.is_file() and file.resolve().is_relative_to(inside):
                yield file
