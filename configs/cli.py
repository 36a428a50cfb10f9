"""Between Hydra and the project: a request in; one-line errors and exit statuses out."""

import functools
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from configs.compose import request_of
from configs.messages import one_line
from configs.optional import needs
from configs.private_hydra import run_hydra
from configs.process import complain, config_dirs, spin_briefly
from configs.sweep import FAILURES, Failure, Trained, is_sweep
from errors import RequestError, TrainingError, is_out_of_memory
from experiment.request import Request
from parallel import launch

Job = Callable[[DictConfig], Failure | Trained]


def requested(config: DictConfig) -> Request:
    """Returns the request that Hydra composed for the running job.

    Raises:
        RequestError: an option does not exist, or has a value that is not accepted, or needs a
            package that is not installed.
    """
    request = request_of(config, HydraConfig.get().runtime.choices)
    if request.train.tensorboard:
        needs("tensorboard", "train.tensorboard=true")
    return request


def run_command(job: Job) -> int:
    """Runs `job` on the request of the command line, or on every request of a sweep.

    Returns:
        The exit status: 0 done, 2 the request was wrong (one line on stderr says how), 1 anything
        else.
    """
    spin_briefly()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises, and prints no traceback of its own
    FAILURES.clear()
    root = str(Path(__file__).resolve().parent.parent)  # where a cluster's workers find the project
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    signal.signal(signal.SIGTERM, stop)
    # Pyro warns of a NaN; the loop stops there, and says where.
    warnings.filterwarnings("ignore", "Encountered", UserWarning)
    # What is no folder is refused later; on the path it could be a pipe that an import waits for.
    folders = (Path(folder).absolute() for folder in config_dirs(sys.argv))
    sys.path.extend(str(folder) for folder in folders if folder.is_dir())
    try:
        refuse_shared_sweep(sys.argv)
        run_hydra(job, "configs", "train")
        sys.stdout.flush()
    except (HydraException, OmegaConfBaseException, RequestError) as error:
        return complain(str(RequestError(one_line(error))), 2)
    except BrokenPipeError:  # "… | head" has read enough, and Python would complain as it closes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        interrupted = "interrupted; the same command continues the run"
        return 1 if launch.rank() else complain(interrupted, 1)
    for message, _ in FAILURES:
        complain(message, 0)
    return max((status for _, status in FAILURES), default=0)


def refuse_shared_sweep(arguments: list[str]) -> None:
    """Raises RequestError for a sweep that several processes are asked to run together."""
    if launch.count() > 1 and {"-m", "--multirun"} & {*arguments}:
        raise RequestError(
            f"-m: a sweep is not run by {launch.count()} processes together; "
            "start torchrun for each run"
        )


def stop(*_: object) -> NoReturn:
    """Turns the first SIGTERM, by which schedulers end a job, into Ctrl-C, and ignores others."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def job(run: Callable[[DictConfig], Trained]) -> Job:
    """Makes `run` a job that returns what was wrong, so that the other jobs of a sweep go on."""

    @functools.wraps(run)
    def guarded(config: DictConfig) -> Failure | Trained:
        try:
            return run(config)
        except RequestError as error:
            return Failure(str(error), 2)
        except OmegaConfBaseException as error:  # raised where an option is read, as ${oc.env:…}
            return Failure(str(RequestError(one_line(error))), 2)
        except TrainingError as error:
            return Failure(str(error), 1)
        except OSError as error:
            if error.errno is None or error.filename is None:
                raise
            goes_on = "the same command goes on from the last checkpoint"
            return Failure(f"{error.filename}: {error.strerror}; {goes_on}", 1)
        except Exception as error:
            if is_out_of_memory(error):
                smaller = "take a smaller train.batch_size or network"
                return Failure(f"out of memory; {smaller}; what was saved before is intact", 1)
            if not is_sweep():
                raise
            traceback.print_exc()
            return Failure(f"{type(error).__name__}: {' '.join(str(error).split())}", 1)

    return guarded
