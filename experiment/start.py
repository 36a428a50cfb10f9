"""Where training starts, if not at the beginning: another run's weights, or where it ended."""

from collections.abc import Mapping

from torch import Tensor

from data.fingerprint import Fingerprint
from errors import RequestError
from experiment.checkpoints import State
from experiment.directory import RunDirectory
from experiment.recipes.base import Pair
from experiment.request import Request


def start(
    directory: RunDirectory, request: Request, pair: Pair, data: Fingerprint | None
) -> State | None:
    """Returns the state that the run of `request` goes on from, if it extends another run.

    The weights of the run in `init_from` are given to `pair`. Nothing is done for a run that has
    begun in `directory`.

    Arguments:
        directory: where the run is going to be; nothing is written there.
        request: what is asked for.
        pair: model and guide, with the weights that they were drawn with.
        data: the hash of the data.

    Raises:
        RequestError: The other run is not there, is unfinished, or does not fit.
    """
    if directory.checkpoints.can_continue or directory.is_done:
        return None
    if request.init_from is not None:
        load_weights(f"init_from={request.init_from}", request.init_from, pair)
    return None if request.extend is None else ended(request, data)


def ended(request: Request, data: Fingerprint | None) -> State:
    """Returns the state in which the run `request.extend` ended. That run stays as it is."""
    other, what = RunDirectory(str(request.extend)), f"extend={request.extend}"
    there = _finished(what, other)
    old, new = there.identity, request.identity
    same = {*old, *new} - {name for name in {*old, *new} if name.startswith("train.")}
    if names := sorted(n for n in same - {"extend", "init_from"} if old.get(n) != new.get(n)):
        shown = [f"{name} is {old.get(name)} there, {new.get(name)} now" for name in names[:3]]
        raise RequestError(f"{what}: {'; '.join(shown)}; say what that run was trained with")
    other.check_data(data)
    state = other.checkpoints.load("last")
    epoch = state.get("epoch")
    if not isinstance(epoch, int) or not isinstance(state.get("best"), dict):
        raise RequestError(f"{what}: its last checkpoint is none that training goes on from")
    if epoch >= request.train.epochs:
        raise RequestError(
            f"train.epochs={request.train.epochs}: {request.extend} has {epoch} already; say more"
        )
    return state


def load_weights(what: str, path: str, pair: Pair) -> None:
    """Gives `pair` the best weights, and buffers, of the run at `path`.

    Raises:
        RequestError: One of them has another shape, or is in one of the pairs alone.
    """
    other = RunDirectory(path)
    _finished(what, other)
    state = other.checkpoints.weights("best")
    for name, program in (("model", pair.model), ("guide", pair.guide)):
        there = state.get(name)
        if not isinstance(there, Mapping):
            raise RequestError(f"{what}: its checkpoint has no weights of the {name}")
        _check(f"{what}: the {name}'s", program.state_dict(), there)
        program.load_state_dict(there)


def _finished(what: str, run: RunDirectory) -> Request:
    try:
        request = run.read_request()
    except RequestError as error:
        raise RequestError(f"{what}: {error}") from error
    if not run.is_done:
        raise RequestError(f"{what}: unfinished; the command that began it continues it")
    return request


def _check(what: str, here: Mapping[str, Tensor], there: Mapping[str, object]) -> None:
    """Names the first tensor that differs in shape, or is on one side alone."""
    for name, tensor in here.items():
        other = there.get(name)
        if not isinstance(other, Tensor):
            raise RequestError(f"{what} {name}, {tuple(tensor.shape)}, is not there")
        if other.shape != tensor.shape:
            shapes = f"{tuple(other.shape)} there, {tuple(tensor.shape)} now"
            raise RequestError(f"{what} {name} has the shape {shapes}")
    for name in there:
        if name not in here:
            raise RequestError(f"{what} {name} is there, and has no place in what is trained now")
