"""A sweep: which of how many runs is next, how long all take, and what became of them.

Its jobs may run in other processes or on other machines, and leave what they know in the sweep's
folder.
"""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from configs.process import config_dirs
from experiment.directory import RunDirectory, in_a_shell
from parallel import launch

if TYPE_CHECKING:
    from inference.training import Training

# A number of a table, or what stands for it.
MISSING = "–"


class Failure(NamedTuple):
    """Why a job failed, in one line, and the exit status that says so."""

    message: str
    status: int


class Trained(NamedTuple):
    """What a job's training came to; `seconds` is 0 for a run that was done already."""

    run: str
    elbo: float | None
    epoch: int | None
    seconds: float


# The failures of this command's jobs. Hydra would print more than one line of its own for each.
FAILURES: list[Failure] = []


class Watch:
    """Watches the training of a job, in the run directory `run`."""

    def __init__(self, run: str, epochs: int) -> None:
        self.was_done, self.epochs = RunDirectory(run).is_done, epochs
        self.marks = [time.monotonic()]

    def epoch(self, training: "Training", data: object) -> None:
        """Is called after every epoch.

        In the first run of a sweep it says after two of them how long all runs take; later runs
        begin with that.
        """
        self.marks.append(time.monotonic())
        if len(self.marks) != 3 or not is_sweep():
            return
        _, first, second = self.marks
        whole = self.epochs * (second - first)  # the first epoch compiles, and is no measure
        config = HydraConfig.instance().cfg
        assert isinstance(config, DictConfig)
        if left := _left(config, whole):
            from tqdm import tqdm

            tqdm.write(left.removeprefix("; "))

    def ended(self, directory: RunDirectory) -> Trained:
        """Returns what became of the run, and says what follows; of a sweep, its end says that."""
        of_valid = (r for r in directory.read_metrics() if r.get("split") == "valid")
        best = max(of_valid, key=lambda record: float(record["elbo"]), default={})
        seconds = 0.0 if self.was_done else time.monotonic() - self.marks[0]
        if not is_sweep() and not launch.rank():
            where = shlex.quote(str(directory.path))
            print(f"next: python evaluate.py {where}{_trusting()}")
            if self.was_done:
                print(f"or train it longer: the same command with train.epochs=N extend={where}")
        return Trained(str(directory.path), best.get("elbo"), best.get("epoch"), seconds)


class Narrator(Callback):
    """Says which run of a sweep begins, collects what became of all, and says what follows."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Keeps how many runs there are, and which options differ between them."""
        words = list(config.hydra.overrides.task)
        _write(_folder(config).parent / "plan.json", planned(words))

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Says which run of how many begins, by what differs, and how long all still take."""
        if not is_sweep():
            return
        plan, number = _plan(config), int(config.hydra.job.num) + 1
        of = "" if plan["total"] is None else f" of {plan['total']}"
        words = _own(config.hydra.overrides.task, plan["swept"])
        print(f"\nrun {number}{of}: {words}{_left(config)}", flush=True)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Keeps what the job returned.

        A Failure goes to FAILURES; from a job of a sweep all goes to a file with the job's number.
        """
        found = job_return.return_value if job_return.status == JobStatus.COMPLETED else None
        if not is_sweep():
            FAILURES.extend([found] if isinstance(found, Failure) else [])
            return
        if not isinstance(found, Failure | Trained):
            return
        given = [word for word in job_return.overrides or () if not word.startswith("run_dir=")]
        record = {"words": given} | found._asdict()
        _write(_folder(config) / f"{config.hydra.job.num}.json", record)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Prints a table of all runs and the commands that follow, and collects FAILURES."""
        records = _records(config)
        for record in records:
            if "message" in record:
                message = ": ".join(filter(None, (" ".join(record["words"]), record["message"])))
                FAILURES.append(Failure(message, record["status"]))
        print("\n".join(summary(records, _plan(config)["swept"])), flush=True)


def planned(words: Sequence[str]) -> dict[str, object]:
    """Returns how many runs the words of a sweep make, and the names of what differs.

    >>> planned(["prior=vamp,flow", "seed=range(3)", "latent_dim=2"])
    {'total': 6, 'swept': ['prior', 'seed']}
    """
    total, swept = 1, []
    for word in words:
        try:
            override = OverridesParser.create().parse_override(word)
            if override.is_sweep_override() and not override.is_hydra_override():
                swept.append(override.get_key_element())
                total *= sum(1 for _ in override.sweep_string_iterator())
        except (HydraException, ValueError):  # another sweeper's own words
            return {"total": None, "swept": swept}
    return {"total": total, "swept": swept}


def summary(records: Sequence[dict[str, Any]], swept: Sequence[str]) -> list[str]:
    """Returns the table of a sweep's runs in lines, and the commands that follow."""
    rows: list[tuple[str, ...]] = [("run", "valid ELBO", "epoch", "time")]
    for record in records:
        cells = ["failed", "", ""]
        if "run" in record:
            numbers = ("elbo", "{:.2f}".format), ("epoch", str), ("seconds", _duration)
            cells = [say(record[name]) if record[name] else MISSING for name, say in numbers]
        rows.append((_own(record["words"], swept), *cells))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(wide[0]), *map(str.rjust, row[1:], wide[1:])]).rstrip()
        for row in rows
    ]
    runs = [record["run"] for record in records if "run" in record]
    if not runs:
        return ["", *lines]
    all_of_them = in_a_shell(list(dict.fromkeys(runs)))
    compared = [f"then: python compare.py {all_of_them} --out comparison.html"]
    evaluated = f"next: python evaluate.py {all_of_them}{_trusting()}"
    return ["", *lines, evaluated, *compared[: len(runs) - 1]]


def _trusting() -> str:
    """Returns what lets evaluate.py open runs of choices of one's own."""
    return "".join(f" --config-dir {shlex.quote(folder)}" for folder in config_dirs(sys.argv)[-1:])


def is_sweep() -> bool:
    """Whether the running job is one of several (`-m`)."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def _own(words: Sequence[str], swept: Sequence[str]) -> str:
    """Returns the words of a run that differ between a sweep's runs; all, if that is not known."""
    own = [word for word in words if word.lstrip("+").partition("=")[0] in swept]
    return " ".join(own or [word for word in words if not word.startswith("run_dir=")])


def _left(config: DictConfig, whole: float | None = None) -> str:
    """Returns how long this run and those to come take, if that can be said.

    `whole` is what this one takes; otherwise the runs before it tell. Runs in parallel do not.
    """
    took = [record["seconds"] for record in _records(config) if record.get("seconds")]
    known = took if whole is None else [] if took else [whole]
    total = _plan(config)["total"]
    if not known or total is None or config.hydra.runtime.choices["hydra/launcher"] != "basic":
        return ""
    seconds = sum(known) / len(known) * (total - int(config.hydra.job.num))
    return f"; about {_duration(seconds)} for this run and those to come"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )


def _folder(config: DictConfig) -> Path:
    return Path(config.hydra.sweep.dir) / "jobs"


def _plan(config: DictConfig) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((_folder(config).parent / "plan.json").read_text("utf-8"))
    return plan


def _records(config: DictConfig) -> list[dict[str, Any]]:
    """Returns what the jobs have left in the sweep's folder so far, in their order."""
    files = sorted(_folder(config).glob("*.json"), key=lambda file: int(file.stem))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _write(file: Path, what: Mapping[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(what), encoding="utf-8")
