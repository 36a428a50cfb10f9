"""Between Hydra and the project: a plain, checked configuration in; one-line errors and exit statuses out."""

import argparse
import functools
import os
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import configs.schema as schema
from configs.sweep import FAILURES, Failure, is_sweep
from errors import Parser, RequestError, TrainingError
from parallel import launch

SECONDS_FOR_THE_FIRST = 10.0


def plain(config: DictConfig) -> dict[str, Any]:
    """The resolved configuration as plain values, checked, with the names of the choices and the run directory."""
    values: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    chosen = HydraConfig.get().runtime.choices
    values = {"choices": {axis: str(chosen[axis]) for axis in schema.AXES}} | values
    values["trained_in"] = str(
        Path.cwd()
    )  # what relative paths among the data's options are relative to
    schema.check(values)
    if values["run_dir"] is None:
        values["run_dir"] = default_run_dir(values)
    return values


def default_run_dir(values: dict[str, Any]) -> str:
    """A name that reads, and a hash of everything that makes the run what it is."""
    from experiment.directory import digest

    choices = values["choices"]
    parts = [choices[axis] for axis in schema.AXES if axis != "data"]
    return f"runs/{choices['data']}/{'-'.join(parts)}-z{values['latent_dim']}-seed{values['seed']}-{digest(values)[:8]}"


def spin_briefly() -> None:
    """Before torch is imported: let OpenMP's waiting threads go to sleep soon. By default they spin for long, and on a
    machine with other work (two runs of a sweep, say) take the cores from the work that they wait for."""
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def config_dirs(arguments: list[str]) -> list[str]:
    """The folders after --config-dir: Python modules beside the user's YAML files can be imported from there."""
    given = [a.removeprefix("--config-dir=") for a in arguments if a.startswith("--config-dir=")]
    return given + [
        folder for flag, folder in pairwise(arguments) if flag in ("--config-dir", "-cd")
    ]


def run_command(main: Callable[[], Any]) -> int:
    """Run a Hydra program: 0 done, 2 the request was wrong (one line on stderr), 1 anything else."""
    spin_briefly()
    os.environ["HYDRA_FULL_ERROR"] = (
        "1"  # raise what goes wrong, instead of printing a traceback of its own
    )
    FAILURES.clear()
    root = str(Path(__file__).resolve().parent.parent)  # where a cluster's workers find the project
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    argparse.ArgumentParser.error = Parser.error  # type: ignore[method-assign, assignment]  # Hydra's parser
    argparse.ArgumentParser.parse_args = parse_wherever_flags_stand  # type: ignore[method-assign, assignment]
    signal.signal(signal.SIGTERM, stop)
    warnings.filterwarnings(
        "ignore", "Encountered", UserWarning
    )  # Pyro, at a NaN: the loop stops there and says where
    sys.path.extend(str(Path(folder).resolve()) for folder in config_dirs(sys.argv))
    try:
        if launch.count() > 1 and {"-m", "--multirun"} & {*sys.argv}:
            raise RequestError(
                f"-m: a sweep is not run by {launch.count()} processes together; start torchrun for each run"
            )
        main()
        sys.stdout.flush()
    except (HydraException, OmegaConfBaseException, RequestError) as error:
        return complain(str(RequestError(one_line(error))), 2)
    except (
        BrokenPipeError
    ):  # "… | head" has read enough; Python would complain once more when it closes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return (
            1 if launch.rank() else complain("interrupted; the same command continues the run", 1)
        )
    for message, _ in FAILURES:
        complain(message, 0)
    return max((status for _, status in FAILURES), default=0)


def parse_wherever_flags_stand(
    parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None
) -> argparse.Namespace:
    """`a=1 -m b=2` as `-m a=1 b=2`: Hydra's parser takes overrides in one piece only. (One with subcommands cannot do so.)"""
    try:
        return parser.parse_intermixed_args(args, namespace)
    except TypeError:
        namespace, rest = parser.parse_known_args(args, namespace)
        return parser.error(f"unrecognized arguments: {' '.join(rest)}") if rest else namespace


def stop(*_: object) -> NoReturn:
    """Schedulers end a job by SIGTERM, some of them more than once: the first is Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def job(run: Callable[[DictConfig], None]) -> Callable[[DictConfig], Failure | None]:
    """A Hydra job that returns what was wrong instead of raising it, so that the other jobs of a sweep go on."""

    @functools.wraps(run)
    def guarded(config: DictConfig) -> Failure | None:
        try:
            run(config)
        except RequestError as error:
            return Failure(str(error), 2)
        except (
            OmegaConfBaseException
        ) as error:  # what is wrong only where an option is read, as ${oc.env:…} of nothing
            return Failure(str(RequestError(one_line(error))), 2)
        except TrainingError as error:
            return Failure(str(error), 1)
        except OSError as error:
            if error.errno is None or error.filename is None:
                raise
            return Failure(
                f"{error.filename}: {error.strerror}; the same command goes on from the last checkpoint",
                1,
            )
        except Exception as error:
            if not is_sweep():
                raise
            traceback.print_exc()
            return Failure(f"{type(error).__name__}: {' '.join(str(error).split())}", 1)
        return None

    return guarded


def complain(message: str, status: int) -> int:
    """One line on stderr; of several processes that refuse the same request, the first one's."""
    if launch.rank():
        wait_for_the_first()
    print(f"error: {message}", file=sys.stderr)
    return status


def wait_for_the_first() -> None:
    """Let torchrun end this process, as it does once the first one has said what is wrong and gone. What it had to say
    itself it says only if that does not happen: then it is alone with it."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.SIG_DFL)
    time.sleep(SECONDS_FOR_THE_FIRST)


def one_line(error: BaseException) -> str:
    """What the user gave, what is accepted, the nearest fix."""
    message = str(error)
    if found := re.search(r"Could not find '([^/']+)/([^']*)'", message):
        axis, choice = found.groups()
        options = re.findall(r"^\t(\S+)$", message, re.MULTILINE)
        return f"{axis}={choice}: no such choice; choose from {', '.join(options)}"
    if found := re.search(r"(?:override|Key) '([^']+)'", message):
        return f"{found[1]}: no such option{_nearest(found[1])}"
    if found := re.search(r"merging override (\S+=.*)$", message.splitlines()[0]):
        kinds = {
            "Integer": "a whole number",
            "Float": "a number",
            "not Optional": "a value, not null",
        }
        kind = re.search(
            r"could not be converted to (\w+)|(not Optional)", str(error.__cause__ or message)
        )
        name = (kind[1] or kind[2]) if kind else ""
        return f"{found[1]}: expected {kinds.get(name, name or 'something else')}"
    return " ".join(line.strip() for line in message.splitlines() if line.strip())


def _nearest(option: str) -> str:
    from dataclasses import fields

    known = [f"train.{f.name}" for f in fields(schema.Train)] + [
        f.name for f in fields(schema.Schema)
    ]
    known += [
        "data.root",
        "data.space",
        "data.path",
        "data.limit",
        "network.width",
        "network.layers",
        "likelihood.scale",
    ]
    near = get_close_matches(option, known, n=1)
    return (
        f"; did you mean {near[0]}?"
        if near
        else f"; there are {', '.join(k for k in known if k != 'train')}"
    )
