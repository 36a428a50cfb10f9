"""What became of a sweep's jobs, which may run in other processes or on other machines."""

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


# The failures of this command's jobs. Hydra would print more than one line of its own for each.
FAILURES: list[Failure] = []


class Failures(Callback):
    """Collects in FAILURES what the jobs returned.

    A sweep's jobs leave it in the sweep's folder, wherever they ran.
    """

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Keeps the Failure that the job returned, if it did.

        It goes to FAILURES, or from a job of a sweep to a file with the job's number.
        """
        failure = job_return.return_value if job_return.status == JobStatus.COMPLETED else None
        if not isinstance(failure, Failure):
            return
        if not is_sweep():
            FAILURES.append(failure)
            return
        given = (word for word in job_return.overrides or () if not word.startswith("run_dir="))
        message = ": ".join(filter(None, (" ".join(given), failure.message)))
        what = {"message": message, "status": failure.status}
        file = _folder(config) / f"{config.hydra.job.num}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(what), encoding="utf-8")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Collects in FAILURES what the sweep's jobs left in its folder, in their order."""
        for file in sorted(_folder(config).glob("*.json"), key=lambda file: int(file.stem)):
            FAILURES.append(Failure(**json.loads(file.read_text(encoding="utf-8"))))


def is_sweep() -> bool:
    """Whether the running job is one of several (`-m`)."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def _folder(config: DictConfig) -> Path:
    return Path(config.hydra.sweep.dir) / "failures"
