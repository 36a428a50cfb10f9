"""The run directory: what a run leaves behind, written so that a kill at any moment loses nothing finished.

    config.yaml  environment.json  metrics.jsonl  checkpoint-last.pt  checkpoint-best.pt  DONE

Files appear whole or not at all: written beside, flushed to disk, then renamed. Opening a run directory reads data,
never code: YAML by the safe loader, checkpoints with `weights_only=True`.
"""

import fcntl
import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from errors import RequestError

Config = Mapping[str, Any]
WHERE_NOT_WHAT = (
    ("run_dir",),
    ("device",),
    ("data", "root"),
    ("data", "download"),
    ("train", "compile"),
    ("train", "checkpoint_seconds"),
    ("train", "resume"),
)
"""Options that say where or how to run, not what: they do not make another run."""
LARGEST_CONFIG = 1_000_000
"""Bytes; a real one has about a thousand."""
DEEPEST_CONFIG = 20


def identity(config: Config) -> dict[str, Any]:
    """The part of a configuration that makes the run what it is, as a flat mapping of dotted names."""

    def flatten(node: Config, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
        for key, value in node.items():
            path = (*prefix, str(key))
            if isinstance(value, Mapping):
                yield from flatten(value, path)
            elif path not in WHERE_NOT_WHAT:
                yield path, value

    return {".".join(path): value for path, value in flatten(config)}


class RunDirectory:
    """The files of one run. Nothing is created before `claim`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.metrics_file = self.path / "metrics.jsonl"
        self.done_file = self.path / "DONE"

    @property
    def is_done(self) -> bool:
        return self.done_file.exists()

    @contextmanager
    def claim(self, config: Config, resume: bool = True) -> Iterator[None]:
        """Make the directory and hold it alone. Refuse one that holds another configuration, or that another process
        is writing; with `resume=False`, one that holds any run."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = open(self.path / ".lock", "w")  # noqa: SIM115 - held for as long as the run
        except OSError as error:
            raise RequestError(f"run_dir={self.path}: cannot be written ({error.strerror})") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RequestError(
                    f"run_dir={self.path}: another process is training here; wait, or choose another run_dir"
                ) from error
            self._accept(config, resume)
            yield

    def _accept(self, config: Config, resume: bool) -> None:
        if not self.config_file.exists():
            if self.metrics_file.exists() or self.checkpoint("last").exists():
                raise RequestError(f"run_dir={self.path}: has results but no config.yaml; choose another run_dir")
            write_whole(
                self.config_file, yaml.dump(dict(config), Dumper=NoAliases, sort_keys=False, allow_unicode=True).encode()
            )
            return
        there, here = identity(self.read_config()), identity(config)
        differences = [key for key in {**there, **here} if there.get(key) != here.get(key)]
        if differences:
            shown = "; ".join(f"{key} is {there.get(key)} there, {here.get(key)} now" for key in differences[:3])
            more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
            raise RequestError(f"run_dir={self.path}: holds another configuration ({shown}{more}); choose another run_dir")
        if not resume and (self.checkpoint("last").exists() or self.is_done):
            raise RequestError(
                f"run_dir={self.path}: already holds a run and train.resume=never; "
                "use train.resume=auto to continue it, or choose another run_dir"
            )

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
            raise RequestError(f"{self.config_file}: cannot be read ({type(error).__name__})") from error
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
            if isinstance(record, dict) and isinstance(record.get("epoch"), int):
                records.append(record)
        return records

    def keep_metrics_until(self, epoch: int) -> None:
        """Drop the lines of epochs after the checkpoint that training goes on from, and half a line that a kill or a full
        disk left: they will be written again."""
        if not self.metrics_file.exists():
            return
        kept = [record for record in self.read_metrics() if record["epoch"] <= epoch]
        write_whole(self.metrics_file, "".join(json.dumps(record) + "\n" for record in kept).encode())

    # checkpoints

    def checkpoint(self, which: str) -> Path:
        return self.path / f"checkpoint-{which}.pt"

    def save_checkpoint(self, which: str, state: dict[str, Any]) -> None:
        """Tensors and plain values, whole or not at all."""
        import torch

        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self.checkpoint(which), buffer.getvalue())

    def load_checkpoint(self, which: str) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; never unpickles anything but tensors and plain values."""
        import torch

        path = self.checkpoint(which)
        if not path.exists():
            raise RequestError(f"{path}: no such checkpoint")
        try:
            verify_archive(path)
            return torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
            what = f"{path}: damaged or not a checkpoint of tensors ({type(error).__name__})"
            raise RequestError(what + self._another_good_one(which)) from error

    def _another_good_one(self, damaged: str) -> str:
        other = self.checkpoint("best" if damaged == "last" else "last")
        try:
            verify_archive(other)
        except (OSError, ValueError, zipfile.BadZipFile):
            return ""
        if damaged == "last":
            return f"; {other} is good, for evaluate.py; remove {self.path} to train again, with the same result"
        return f"; {other} is good: evaluate.py --checkpoint last"

    def finish(self) -> None:
        """The last file of a run."""
        write_whole(self.done_file, b"")


def _check_yaml(text: str) -> None:
    """Raise for aliases, a few of which make billions of values, and for deep nesting; this project writes neither."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > DEEPEST_CONFIG:
            raise yaml.YAMLError


class NoAliases(yaml.SafeDumper):
    """Writes a value that occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def verify_archive(path: Path) -> None:
    """Raise for a checkpoint with flipped bits (torch does not look at the checksums), or with packed members, which
    torch never writes and which can unpack to any size."""
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise zipfile.BadZipFile("compressed members")
        if archive.testzip() is not None:
            raise zipfile.BadZipFile("wrong checksum")


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` so that `path` holds either what it held before or all of it, even after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # a failed write does not say of what
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON, whole or not at all."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
