"""A training run from its request to DONE."""

import datetime
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from data import Dataset
from errors import RequestError
from evidence.batch import Batch
from evidence.noise import forked
from evidence.unsupported import UnsupportedPair
from experiment.build import build_data, build_pair
from experiment.components import build
from experiment.directory import RunDirectory, write_json
from experiment.load import pick_device
from experiment.shared import SharedRunDirectory
from inference.loop import Observer, fit, ignore
from inference.objectives.base import Objective
from inference.plan import Train
from inference.training import DoesNotFit, Training
from models.likelihoods import Likelihood
from parallel import group


def train(config: dict[str, Any], observe: Observer = ignore) -> RunDirectory:
    """Train what `config` (plain values) describes in its `run_dir`, or continue, or say that it is done.

    `observe` is called after every epoch (see `fit`).

    Where torchrun started several processes, each calls this, and they train one model together.
    """
    with group.joined(config["device"]):
        return _train(config, observe)


def _train(config: dict[str, Any], observe: Observer) -> RunDirectory:
    run = SharedRunDirectory(config["run_dir"])
    device, data, model, guide, objective = group.agreed(lambda: opened(config))
    with run.claim(config, resume=config["train"]["resume"] == "auto"):
        if run.is_done:
            print(f"{run.path} is done already; evaluate it: python evaluate.py {run.path}")
            return run
        if group.is_first():
            write_json(run.path / "environment.json", environment(device))
        print(summary(config, data, model, guide, device))
        model.to(device)
        guide.to(device)
        group.same_start([*model.state_dict().values(), *guide.state_dict().values()])
        for line in notes(model, guide, objective, data):
            print(line)
        training = fitted(model, guide, objective, data, config, run, observe)
        run.finish()
    print(
        f"best validation ELBO {training.best_elbo:.2f} nats (epoch {training.best_epoch}), {training.seconds:.1f} s"
    )
    print(f"kept in {run.path}\nnext: python evaluate.py {run.path}")
    return run


def fitted(
    model: torch.nn.Module,
    guide: torch.nn.Module,
    objective: Objective,
    data: Dataset,
    config: dict[str, Any],
    run: RunDirectory,
    observe: Observer,
) -> Training:
    """Trains the pair; what is wrong with the request is refused as such."""
    plan, seed = Train(**config["train"]), config["seed"]
    try:
        return fit(model, guide, objective, data, plan, seed, run, observe, tqdm.write)
    except DoesNotFit as error:
        last = run.checkpoints.path("last")
        raise RequestError(f"{last}: does not fit the configuration beside it") from error
    except UnsupportedPair as error:
        raise RequestError(str(error)) from error


def opened(
    config: dict[str, Any],
) -> tuple[torch.device, Dataset, torch.nn.Module, torch.nn.Module, Objective]:
    """Device, data, model, guide and objective of a request; the pair is still on the CPU."""
    device = pick_device(config["device"])
    data = build_data(config, device, trust=True)
    torch.manual_seed(config["seed"])
    model, guide = build_pair(config, data, trust=True)
    objective = build("objective", config["objective"], trust=True)
    if group.count() > 1:
        likelihoods = [part for part in model.modules() if isinstance(part, Likelihood)]
        chosen = f"objective={config['choices']['objective']}"
        group.refuse_coupled(
            objective.couples_data and f"{chosen}: {objective.couples_data}",
            *(likelihood.couples_data for likelihood in likelihoods),
        )
        if config["train"]["batch_size"] < group.count():
            what = f"train.batch_size={config['train']['batch_size']}"
            raise RequestError(
                f"{what}: at least one datum for each of {group.count()} processes is needed"
            )
    return device, data, model, guide, objective


def summary(
    config: dict[str, Any],
    data: Any,
    model: torch.nn.Module,
    guide: torch.nn.Module,
    device: torch.device,
) -> str:
    """What is about to be trained, in two lines."""
    choices = config["choices"]
    counts = [sum(p.numel() for p in module.parameters()) for module in (model, guide)]
    shape = "×".join(map(str, data.shape))
    return (
        f"data {choices['data']} {shape} in {data.space}, {len(data.train):,} train / {len(data.valid):,} valid / "
        f"{len(data.test):,} test\n"
        f"{choices['model']}: prior {choices['prior']}, likelihood {choices['likelihood']}, guide {choices['guide']}, "
        f"network {choices['network']}; "
        f"z in {config['latent_dim']}-d; {counts[0]:,} parameters in p, {counts[1]:,} in q; {device}"
        + (f"; {group.count()} processes" if group.count() > 1 else "")
    )


def notes(
    model: torch.nn.Module, guide: torch.nn.Module, objective: Objective, data: Dataset
) -> Iterator[str]:
    """What components have to say about themselves (`note`), and the objective about this pair (`describe`)."""
    yield from (
        note
        for module in (*model.modules(), *guide.modules())
        if (note := getattr(module, "note", None))
    )
    with forked(data.train.device):
        if (described := objective.describe(model, guide, Batch.of(data.train[:2]))) is not None:
            yield described


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device, git revision and command line."""
    packages = ("torch", "pyro-ppl", "numpy", "hydra-core")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{package: version(package) for package in packages},
        "device": torch.cuda.get_device_name()
        if device.type == "cuda"
        else f"cpu ({torch.get_num_threads()} threads)",
        "processes": group.count(),
        "git_revision": git_revision(),
        "command": sys.argv,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def git_revision() -> str | None:
    """The revision of this code, with `+` if the tree has changes; None outside a repository."""
    here = Path(__file__).parent
    try:
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
        changes = subprocess.run(
            ["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return revision.strip() + ("+" if changes.strip() else "")
