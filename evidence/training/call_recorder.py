"""Calls of programs by their shapes: which are recorded, and when."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

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
class Given:
    """The place of a tensor among the arguments."""

    number: int

    def filled(self, tensors: Sequence[Tensor]) -> object:
        """Returns the tensor of this place."""
        return tensors[self.number]


@dataclass(frozen=True)
class Plain:
    """An argument that is None, a truth value, a number or a string."""

    kind: type
    value: object

    def filled(self, tensors: Sequence[Tensor]) -> object:
        """Returns the argument."""
        return self.value


@dataclass(frozen=True)
class Other:
    """An argument of which nobody knows whether it is the same again."""

    kind: type
    value: object = field(compare=False)

    def filled(self, tensors: Sequence[Tensor]) -> object:
        """Returns the argument."""
        return self.value


@dataclass(frozen=True)
class Row:
    """A list or a tuple of arguments."""

    kind: type[list[object]] | type[tuple[object, ...]]
    parts: tuple["Place", ...]

    def filled(self, tensors: Sequence[Tensor]) -> object:
        """Returns a list or a tuple with the tensors in their places."""
        return self.kind([part.filled(tensors) for part in self.parts])


Place = Given | Plain | Other | Row


def place(value: object, tensors: list[Tensor]) -> Place:
    """Returns the place of an argument, and adds its tensors to `tensors`."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return Given(len(tensors) - 1)
    if type(value) is list or type(value) is tuple:
        return Row(type(value), tuple(place(part, tensors) for part in value))
    if value is None or isinstance(value, bool | int | float | str):
        return Plain(type(value), value)
    return Other(type(value), value)


@dataclass(frozen=True)
class Arguments:
    """What programs are called with: tensors, and their places among constants."""

    tensors: Batch
    args: tuple[Place, ...]
    kwargs: tuple[tuple[str, Place], ...]

    @staticmethod
    def of(args: Sequence[object], kwargs: Mapping[str, object]) -> "Arguments":
        """Takes the tensors out of arguments."""
        tensors: list[Tensor] = []
        places = tuple(place(value, tensors) for value in args)
        named = tuple((name, place(value, tensors)) for name, value in kwargs.items())
        return Arguments(Batch(tensors), places, named)

    def filled(self, tensors: Sequence[Tensor]) -> tuple[list[object], dict[str, object]]:
        """Returns arguments with `tensors` in their places."""
        args = [part.filled(tensors) for part in self.args]
        return args, {name: part.filled(tensors) for name, part in self.kwargs}

    @property
    def kind(self) -> Hashable:
        """What a graph is recorded for."""
        return signature(self.tensors), self.args, self.kwargs

    def check_recordable(self) -> None:
        """Raises Unrecordable if an argument may be another one without being seen to be."""
        parts: list[Place] = [*self.args, *(part for _, part in self.kwargs)]
        while parts:
            part = parts.pop()
            if isinstance(part, Row):
                parts += part.parts
            if isinstance(part, Other):
                raise Unrecordable(
                    f"an argument is a {part.kind.__name__}: give tensors, lists of them, "
                    "or plain numbers and strings"
                )


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
        eager: Loss = self.loss.differentiable_loss  # programs may take anything

        def loss(*tensors: Tensor) -> Tensor:
            args, kwargs = arguments.filled(tensors)
            return eager(model, guide, *args, **kwargs)

        return loss

    def _ready(self, model: Program, guide: Program, arguments: Arguments) -> FoundRecording | None:
        """Returns the recording of such calls, ready to run; makes it if it is time to."""
        kind = arguments.kind
        known = self.recordings.get(kind)
        if known is None or known.is_outdated():
            if self.why_eager is not None or not (known or self._is_due(kind)):
                return None
            known = self.tried(lambda: self._recorded(model, guide, arguments))
            if known is None:
                self.recordings.pop(kind, None)
                return None
            self.recordings[kind] = known
        known.refresh()
        return known

    def _is_due(self, kind: Hashable) -> bool:
        """Whether such calls have come often enough, this one included."""
        if len(self.recordings) == MOST:
            return False
        self.seen[kind] += 1
        if not self.recordings and len(self.seen) == OFTEN:
            self.why_eager = (
                f"each of {OFTEN} calls was of another shape, or had other numbers: give numbers "
                "that change as tensors"
            )
        return self.seen[kind] >= (OFTEN if self.recordings else 2)

    def _recorded(self, model: Program, guide: Program, arguments: Arguments) -> FoundRecording:
        arguments.check_recordable()
        tensors = arguments.tensors
        with trial(device_of(tensors)):
            call = self._eager(model, guide, arguments)
            recording = FoundRecording(call, (model, guide), self.loss, tensors)
            with restored(recording.held()):
                recording.graph = self.ready(recording.recorded, recording.inputs(tensors))
        return recording
