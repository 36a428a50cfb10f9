"""A training run from its request to DONE."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tqdm import tqdm

from data import Dataset
from errors import RequestError
from evidence.batch import Batch
from evidence.noise import forked
from evidence.unsupported import UnsupportedPair
from experiment.allocation import at_most, memory
from experiment.build import build_data, build_objective, build_pair
from experiment.device import pick_device
from experiment.directory import RunDirectory
from experiment.environment import environment
from experiment.files import write_json
from experiment.recipes.base import Pair
from experiment.request import Request, lighter_kl
from experiment.shared import SharedRunDirectory
from experiment.start import start
from inference.loop import Observer, fit, ignore
from inference.objectives.base import Objective
from inference.training import DoesNotFit, Training
from models.likelihoods import Likelihood
from models.priors.base import Prior
from parallel import group

# In float32: a weight, its gradient, and two moments of Adam.
BYTES_A_WEIGHT = 16


@dataclass(frozen=True)
class Opened:
    """What a request was built into; the pair is still on the CPU."""

    request: Request
    device: torch.device
    data: Dataset
    pair: Pair
    objective: Objective


def train_request(request: Request, observe: Observer = ignore) -> RunDirectory:
    """Trains what `request` describes in its `run_dir`, or continues, or says that it is done.

    `observe` is called after every epoch (see `fit`). Where torchrun started several processes,
    each calls this, and they train one model together.

    Raises:
        RequestError: the request cannot be met.
        TrainingError: the loss is NaN or infinite, or another process has ended.
    """
    with group.joined(request.device):
        return _train(request, observe)


def _train(request: Request, observe: Observer) -> RunDirectory:
    began = time.monotonic()
    directory = SharedRunDirectory(request.run_dir)
    request = directory.as_there(request)
    opened = group.agreed(lambda: open_request(request))
    fingerprint = opened.data.fingerprint
    state = group.from_first(lambda: start(directory.files, request, opened.pair, fingerprint))
    with directory.claim(request, resume=request.train.resume == "auto"):
        directory.accept_data(fingerprint)
        if directory.is_done:
            print(f"{directory.path} is done already")
            return directory.files
        if state is not None:
            directory.save(state, state["best"])
        if group.is_first():
            write_json(directory.path / "environment.json", environment(opened.device))
        print(summary(opened))
        for program in opened.pair:
            program.to(opened.device)
            group.same_start(program.state_dict().values())
        for note in notes(opened):
            print(note)
        training = _fitted(opened, directory, observe)
        directory.finish()
    best = f"best validation ELBO {training.best_elbo:.2f} nats (epoch {training.best_epoch})"
    print(f"{best}, {time.monotonic() - began:.1f} s")
    print(f"kept in {directory.path}")
    return directory.files


def _fitted(opened: Opened, directory: SharedRunDirectory, observe: Observer) -> Training:
    """Trains the pair; what is wrong with the request is refused as such."""
    (model, guide), objective, data = opened.pair, opened.objective, opened.data
    plan, seed = opened.request.train, opened.request.seed
    try:
        return fit(model, guide, objective, data, plan, seed, directory, observe, tqdm.write)
    except DoesNotFit as error:
        last = directory.files.checkpoints.path("last")
        raise RequestError(f"{last}: does not fit the configuration beside it") from error
    except UnsupportedPair as error:
        raise RequestError(str(error)) from error


def open_request(request: Request) -> Opened:
    """Builds what `request` names.

    Raises:
        RequestError: the request cannot be met.
    """
    device = pick_device(request.device)
    data = build_data(request, device, trust=True)
    torch.manual_seed(request.seed)
    pair = _pair(request, data)
    objective = build_objective(request, trust=True)
    if group.count() > 1:
        of_objective = f"objective={request.objective.name}: {objective.couples_data}"
        of_likelihoods = [likelihood.couples_data for likelihood in _likelihoods(pair)]
        group.refuse_coupled(objective.couples_data and of_objective, *of_likelihoods)
        if request.train.batch_size < group.count():
            raise RequestError(
                f"train.batch_size={request.train.batch_size}: at least one datum for each of "
                f"{group.count()} processes is needed"
            )
    return Opened(request, device, data, pair, objective)


def _pair(request: Request, data: Dataset) -> Pair:
    """Returns model and guide; a size that no memory holds is refused before any is taken."""
    try:
        with at_most(memory() // BYTES_A_WEIGHT):
            return build_pair(request, data, trust=True)
    except MemoryError as error:
        sizes = {
            name: value
            for name, value in request.identity.items()
            if isinstance(value, int) and not name.startswith(("data.", "train.", "seed"))
        }
        largest = max(sizes, key=lambda name: sizes[name])
        raise RequestError(
            f"{largest}={sizes[largest]}: the model does not fit into memory; take less"
        ) from error


def summary(opened: Opened) -> str:
    """Returns what is about to be trained, in two lines."""
    request, data = opened.request, opened.data
    names = request.names
    in_p, in_q = (sum(p.numel() for p in program.parameters()) for program in opened.pair)
    shape = "×".join(map(str, data.shape))
    return (
        f"data {names['data']} {shape} in {data.space}, {len(data.train):,} train / "
        f"{len(data.valid):,} valid / {len(data.test):,} test\n"
        f"{names['model']}: prior {names['prior']}, likelihood {names['likelihood']}, "
        f"guide {names['guide']}, network {names['network']}; z in {request.latent_dim}-d; "
        f"{in_p:,} parameters in p, {in_q:,} in q; {opened.device}"
        + (f"; {group.count()} processes" if group.count() > 1 else "")
    )


def notes(opened: Opened) -> Iterator[str]:
    """Yields what is to be said of the data, and what components and the objective say."""
    request = opened.request
    lighter = lighter_kl(request.objective.name, request.objective.options)
    yield from opened.data.notes
    for program in opened.pair:
        for module in program.modules():
            if isinstance(module, Prior | Likelihood) and module.note:
                yield module.note
            if isinstance(module, Prior) and module.needs_warm_up and lighter:
                yield f"prior={request.prior.name}: the rate may stay low; what helps: {lighter}"
    train = opened.data.train
    with forked(train.device):
        said = opened.objective.describe(*opened.pair, Batch.of(train[:2]))
    if said:
        yield said


def _likelihoods(pair: Pair) -> Iterator[Likelihood]:
    for program in pair:
        yield from (module for module in program.modules() if isinstance(module, Likelihood))
