"""The run directory: what a run leaves behind, written so that a kill at any moment loses nothing finished.

    config.yaml  environment.json  metrics.jsonl  checkpoint-last.pt  checkpoint-best.pt  DONE

Files appear whole or not at all: written beside, flushed to disk, then renamed. Opening a run directory reads data,
never code: YAML by the safe loader, checkpoints with `weights_only=True`.
"""

import fcntl
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from errors import RequestError
from experiment.checkpoints import Checkpoints
from experiment.files import write_arrays, write_json, write_whole

__all__ = [
    "PLACES",
    "Config",
    "RunDirectory",
    "digest",
    "identity",
    "of_split",
    "write_arrays",
    "write_json",
    "write_whole",
]

Config = Mapping[str, Any]
WHERE_NOT_WHAT = (
    ("run_dir",),
    ("device",),
    ("trained_in",),
    ("data", "root"),
    ("data", "download"),
    ("train", "compile"),
    ("train", "checkpoint_seconds"),
    ("train", "resume"),
    ("train", "tensorboard"),
)
"""Options that say where or how to run, not what: they do not make another run."""
PLACES = ("root", "path", "labels", "cache")
"""Options of `data` that name files and folders."""
LARGEST_CONFIG = 1_000_000
"""Bytes; a real one has about a thousand."""
DEEPEST_CONFIG = 20
LARGEST_METRIC = 1e30
"""Nats; a NaN is not below it."""


def of_split(name: str, split: str) -> str:
    """What a file or folder of an evaluation is called: `name` for the test split, for another with its name before the suffix.

    >>> of_split("evaluation.json", "test"), of_split("evaluation.json", "train"), of_split("figures", "train")
    ('evaluation.json', 'evaluation_train.json', 'figures_train')
    """
    path = Path(name)
    return name if split == "test" else f"{path.stem}_{split}{path.suffix}"


def identity(config: Config) -> dict[str, Any]:
    """The part of a configuration that makes the run what it is, as a flat mapping of dotted names."""

    def flatten(
        node: Config, prefix: tuple[str, ...] = ()
    ) -> Iterator[tuple[tuple[str, ...], Any]]:
        for key, value in node.items():
            path = (*prefix, str(key))
            if isinstance(value, Mapping):
                yield from flatten(value, path)
            elif path not in WHERE_NOT_WHAT:
                yield path, value

    return {".".join(path): value for path, value in flatten(config)}


def digest(config: Config) -> str:
    """Of what makes the run what it is."""
    return hashlib.sha256(repr(sorted(identity(config).items())).encode()).hexdigest()


class RunDirectory:
    """The files of one run. Nothing is created before `claim`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.digest: str | None = (
            None  # of the configuration that holds the claim: every checkpoint carries it
        )
        self.config_file = self.path / "config.yaml"
        self.metrics_file = self.path / "metrics.jsonl"
        self.done_file = self.path / "DONE"
        self.checkpoints = Checkpoints(self.path)

    @property
    def is_done(self) -> bool:
        """Whether training ended, by its last epoch or its patience."""
        return self.done_file.exists()

    @contextmanager
    def claim(self, config: Config, resume: bool = True) -> Iterator[None]:
        """Make the directory and hold it alone. Refuse one that holds another configuration, or that another process
        is writing; with `resume=False`, one that holds any run."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = open(self.path / ".lock", "w")  # noqa: SIM115 - held for as long as the run
        except OSError as error:
            raise RequestError(
                f"run_dir={self.path}: cannot be written ({error.strerror})"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RequestError(
                    f"run_dir={self.path}: another process is training here; wait, or choose another run_dir"
                ) from error
            self._accept(config, resume)
            self.digest = digest(config)
            self.checkpoints.tidy()
            yield

    def _accept(self, config: Config, resume: bool) -> None:
        """The checkpoint has the last word on what was trained here: a config.yaml that was damaged is written again."""
        difference = self._difference(config)
        if difference and not self._trained_with(config):
            raise RequestError(f"run_dir={self.path}: {difference}; choose another run_dir")
        if not resume and (self.checkpoints.can_continue or self.is_done):
            raise RequestError(
                f"run_dir={self.path}: already holds a run and train.resume=never; "
                "use train.resume=auto to continue it, or choose another run_dir"
            )
        if difference:
            mended = "the checkpoint was trained with the one asked for now; config.yaml is written again"
            print(f"warning: run_dir={self.path}: {difference}, but {mended}", file=sys.stderr)
        if difference or not self.config_file.exists():
            text = yaml.dump(dict(config), Dumper=NoAliases, sort_keys=False, allow_unicode=True)
            write_whole(self.config_file, text.encode())

    def _difference(self, config: Config) -> str | None:
        """Why `config` cannot be the run that is here; None if it can, or there is none."""
        if not self.config_file.exists():
            return (
                "has results but no config.yaml"
                if self.metrics_file.exists() or self.checkpoints.can_continue
                else None
            )
        try:
            there, here = identity(self.read_config()), identity(config)
        except RequestError as error:
            return str(error)
        differences = [key for key in {**there, **here} if there.get(key) != here.get(key)]
        shown = "; ".join(
            f"{key} is {there.get(key)} there, {here.get(key)} now" for key in differences[:3]
        )
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        return f"holds another configuration ({shown}{more})" if differences else None

    def _trained_with(self, config: Config) -> bool:
        state = self.checkpoints.if_good("last") or self.checkpoints.if_good("previous") or {}
        return state.get("config") == digest(config)

    def read_config(self) -> dict[str, Any]:
        """config.yaml as plain values."""
        if not self.config_file.is_file():
            raise RequestError(f"{self.path}: not a run directory (no config.yaml)")
        try:
            if self.config_file.stat().st_size > LARGEST_CONFIG:
                raise yaml.YAMLError
            text = self.config_file.read_text()
            _check_yaml(text)
            config = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
            raise RequestError(
                f"{self.config_file}: cannot be read ({type(error).__name__})"
            ) from error
        if not isinstance(config, dict):
            raise RequestError(f"{self.config_file}: not a configuration")
        return config

    # metrics

    def append_metrics(self, records: list[dict[str, Any]]) -> None:
        """Add lines, flushed to the operating system."""
        try:
            with open(self.metrics_file, "a") as file:
                file.write("".join(json.dumps(record) + "\n" for record in records))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.metrics_file)) from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """Every whole line. The last may have been cut by a kill, any may be damaged: the others are kept."""
        if not self.metrics_file.exists():
            return []
        records = []
        for line in self.metrics_file.read_text(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if _is_record(record):
                records.append(record)
        return records

    def write_metrics(self, records: list[dict[str, Any]]) -> None:
        """These lines and no others: training goes on from a checkpoint, and epochs after it will be written again."""
        if records or self.metrics_file.exists():
            write_whole(
                self.metrics_file, "".join(json.dumps(record) + "\n" for record in records).encode()
            )

    # checkpoints

    def save(self, state: dict[str, Any], best: dict[str, Any]) -> None:
        """Tensors and plain values: all that training goes on from, and the weights of the best epoch."""
        of = {"config": self.digest}
        self.checkpoints.save(state | of, best | of)

    def saved_state(self) -> dict[str, Any] | None:
        """What training goes on from: see Checkpoints.state."""
        return self.checkpoints.state()

    def finish(self) -> None:
        """The last file of a run, which from now on has no use for what would only continue it."""
        write_whole(self.done_file, b"")
        self.checkpoints.drop_previous()


def _is_record(line: Any) -> bool:
    """Whether a line of metrics has at least what the contract says, and numbers for numbers."""
    if (
        not isinstance(line, dict)
        or type(line.get("epoch")) is not int
        or str(line.get("split")) not in ("train", "valid")
    ):
        return False
    values = [line.get(name) for name in ("elbo", "reconstruction", "kl")]
    return all(isinstance(value, int | float) and abs(value) < LARGEST_METRIC for value in values)


def _check_yaml(text: str) -> None:
    """Raise for aliases, a few of which make billions of values, and for deep nesting; this project writes neither."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if isinstance(event, yaml.AliasEvent) or depth > DEEPEST_CONFIG:
            raise yaml.YAMLError


class NoAliases(yaml.SafeDumper):
    """Writes a value that occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always: no anchors, which read_config refuses."""
        return True
