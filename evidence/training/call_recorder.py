"""Calls of programs by their shapes: which are recorded, and when."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from torch import Tensor

from evidence.batch import Batch
from evidence.recording.graph import Recorder, signature
from evidence.recording.modes import restored, trial
from evidence.recording.private_torch import Unrecordable
from evidence.structure import Program
from evidence.training.found import FoundRecording, Loss
from evidence.training.loss import Differentiable
from evidence.training.recording import device_of

# A first kind of call is recorded when it comes again; others once they have come so often.
OFTEN = 50
MOST = 8  # recordings of one pair


@dataclass(frozen=True)
class Arguments:
    """What programs are called with: tensors, and places for them among plain constants."""

    tensors: Batch
    args: tuple[object, ...]
    kwargs: tuple[tuple[str, object], ...]
    other: object = None  # the first argument that is neither a tensor nor a plain constant

    @staticmethod
    def of(args: tuple[object, ...], kwargs: dict[str, object]) -> "Arguments":
        """Takes the tensors out of arguments."""
        tensors: list[Tensor] = []
        places = tuple(_place(value, tensors) for value in args)
        named = tuple((name, _place(value, tensors)) for name, value in sorted(kwargs.items()))
        return Arguments(Batch(tensors), places, named, _other((*args, *kwargs.values())))

    def put(self, tensors: tuple[Tensor, ...]) -> tuple[list[object], dict[str, object]]:
        """Returns arguments with others in the places of the tensors."""
        kwargs = {name: _filled(place, tensors) for name, place in self.kwargs}
        return [_filled(place, tensors) for place in self.args], kwargs

    @property
    def kind(self) -> Hashable:
        """What a graph is recorded for."""
        return signature(self.tensors), self.args, self.kwargs


@dataclass(frozen=True)
class Place:
    """Where the tensor of this number goes."""

    number: int


@dataclass(frozen=True, eq=False)
class Constant:
    """An argument that is no tensor and not plain: the same object again, or another kind."""

    value: object


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _is_row(value: object) -> bool:
    return type(value) in (list, tuple)


def _place(value: object, tensors: list[Tensor]) -> object:
    if isinstance(value, Tensor):
        tensors.append(value)
        return Place(len(tensors) - 1)
    if isinstance(value, list | tuple) and _is_row(value):
        return type(value), tuple(_place(part, tensors) for part in value)
    return (None, value) if _is_plain(value) else Constant(value)


def _filled(place: object, tensors: tuple[Tensor, ...]) -> object:
    match place:
        case Place(number):
            return tensors[number]
        case Constant(value):
            return value
        case (None, value):
            return value
        case (kind, parts):
            return kind(_filled(part, tensors) for part in parts)
    raise TypeError(f"{place!r} is no place")


def _other(values: Iterable[object]) -> object:
    """Returns the first of `values`, or of what lists among them hold, that cannot be recorded."""
    for value in values:
        if isinstance(value, list | tuple) and _is_row(value):
            if (inside := _other(value)) is not None:
                return inside
        elif not isinstance(value, Tensor) and not _is_plain(value):
            return value
    return None


class CallRecorder(Recorder):
    """Records the loss of a pair for the kinds of calls that come often."""

    def __init__(self, loss: Differentiable, backend: str | None) -> None:
        super().__init__(backend)
        self.loss = loss
        self.seen: Counter[Hashable] = Counter()
        self.recordings: dict[Hashable, FoundRecording] = {}

    def loss_and_grads(self, model: Program, guide: Program, arguments: Arguments) -> Tensor:
        """Returns the loss, and adds its gradients to those of the parameters."""
        recording = self._ready(model, guide, arguments)
        if recording is not None:
            return recording(arguments.tensors)
        loss = self._eager(model, guide, arguments)(*arguments.tensors)
        loss.backward()
        return loss.detach()

    def _eager(self, model: Program, guide: Program, arguments: Arguments) -> Loss:
        def loss(*tensors: Tensor) -> Tensor:
            args, kwargs = arguments.put(tensors)
            return self.loss.differentiable_loss(model, guide, *args, **kwargs)

        return loss

    def _ready(
        self, model: Program, guide: Program, arguments: Arguments
    ) -> FoundRecording | None:
        """Returns the recording of such calls, ready to run; makes it if it is time to."""
        kind = arguments.kind
        if kind in self.recordings and self.recordings[kind].is_outdated():
            del self.recordings[kind]
        elif kind not in self.recordings:
            self.seen[kind] += 1
            if self.seen[kind] < (OFTEN if self.recordings else 2):
                return None
        if kind not in self.recordings:
            if self.why_eager is not None or len(self.recordings) == MOST:
                return None
            made = self.tried(lambda: self._recorded(model, guide, arguments))
            if made is None:
                return None
            self.recordings[kind] = made
        self.recordings[kind].refresh()
        return self.recordings[kind]

    def _recorded(self, model: Program, guide: Program, arguments: Arguments) -> FoundRecording:
        if arguments.other is not None:
            raise Unrecordable(
                f"an argument is a {type(arguments.other).__name__}: give tensors, lists of them, "
                "or plain numbers and strings"
            )
        tensors = arguments.tensors
        with trial(device_of(tensors)):
            call = self._eager(model, guide, arguments)
            recording = FoundRecording(call, (model, guide), self.loss, tensors)
            with restored(recording.held()):
                recording.graph = self.ready(recording.recorded, recording.inputs(tensors))
        return recording
