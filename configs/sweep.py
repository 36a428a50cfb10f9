"""What became of a sweep's jobs: they may run in other processes or on other machines, and the command must know."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig


class Failure(NamedTuple):
    """Why a job failed, in one line, and the exit status that says so."""

    message: str
    status: int


FAILURES: list[Failure] = []
"""Of the jobs of this command: Hydra would print more than one line of its own."""


class Failures(Callback):
    """Collects in FAILURES what the jobs returned. A sweep's jobs leave it in the sweep's folder, wherever they ran."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Keep the Failure that the job returned, if it did: in FAILURES, or of a sweep's job in a file of its number."""
        if job_return.status != JobStatus.COMPLETED or not isinstance(
            job_return.return_value, Failure
        ):
            return
        message, status = job_return.return_value
        if not is_sweep():
            FAILURES.append(Failure(message, status))
            return
        what = " ".join(
            given for given in job_return.overrides or () if not given.startswith("run_dir=")
        )
        file = _folder(config) / f"{config.hydra.job.num}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"message": f"{what}: {message}", "status": status}))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Collect in FAILURES what the sweep's jobs left in its folder, in their order."""
        for file in sorted(_folder(config).glob("*.json"), key=lambda file: int(file.stem)):
            FAILURES.append(Failure(**json.loads(file.read_text())))


def is_sweep() -> bool:
    """Whether the running job is one of several (`-m`)."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def _folder(config: DictConfig) -> Path:
    return Path(config.hydra.sweep.dir) / "failures"
