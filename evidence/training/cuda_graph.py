"""A whole step, optimizer included, as one CUDA graph.

A step of a small VAE is some hundred kernels that take a GPU less time than the host needs to
launch them. A CUDA graph is launched as one. It does the same to the same memory at every replay: a
batch is copied to where the graph reads, and what a step takes from the host (the learning rate, an
annealed weight) are tensors that the host fills. At a replay torch advances its generator as the
step itself would: the noise is fresh, and that of the step.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from evidence.batch import Batch
from evidence.recording.graph import one_line
from evidence.recording.modes import restored, trial
from evidence.recording.private_torch import Unrecordable
from evidence.training.optimizer import FusedAdam
from evidence.training.recording import Recording

# Steps of the graph and of the step itself, which are compared before the graph is trusted. The
# second one draws other noise.
TRIAL_STEPS = 2
# Of that comparison, relative to the parameters' change: kernels may add up in another order.
TOLERANCE = 1e-2


class Capture:
    """Captures steps that run compiled, where they can be; `why_not` says why they could not."""

    def __init__(self, optimizer: FusedAdam, tell: Callable[[str], None]) -> None:
        self.optimizer, self.tell = optimizer, tell
        self.graph: StepGraph | None = None
        self.why_not: str | None = None

    def is_possible(self, device: torch.device) -> bool:
        """Whether steps on `device` can be captured: there are graphs, and a step was taken."""
        return self.why_not is None and can_capture(device) and len(self.optimizer.moments()) > 0

    def of(self, recording: Recording, batch: Batch) -> "StepGraph | None":
        """Returns this step as a CUDA graph, or None if that fails."""
        if self.graph is None or not self.graph.fits(recording, batch):
            try:
                self.graph = StepGraph(recording, self.optimizer, batch)
            except Exception as error:  # whatever goes wrong there, the step itself works
                self.graph, self.why_not = None, one_line(error)
                for parameter in self.optimizer.parameters:
                    parameter.grad = None
                self.tell(f"train.compile: compiled, not one CUDA graph after all: {self.why_not}")
        return self.graph


class StepGraph:
    """Does what `recording` and `optimizer` do with a batch of one shape, and returns the loss.

    The optimizer must have taken a step already, so that its moments exist. Making a graph leaves
    parameters and generators as they are. It raises Unrecordable if a replay does not do what a
    step does, and whatever torch raises if a step cannot be captured.
    """

    def __init__(self, recording: Recording, optimizer: FusedAdam, batch: Batch) -> None:
        self.recording, self.optimizer = recording, optimizer
        self.batch = Batch(column.clone() for column in batch)
        optimizer.keep_rate_on(batch.device)
        with trial(batch.device), restored(list(self._changing())):
            self._step()  # makes kernels and moments, which must not be made while capturing
            self.replay, self.loss = captured(self._step)
        self.addresses = self._addresses()
        self._compare()

    def fits(self, recording: Recording, batch: Batch) -> bool:
        """Whether a replay reads and writes what a step would."""
        return (
            recording is self.recording
            and recording.fits(batch)
            and self._addresses() == self.addresses
        )

    def __call__(self, batch: Batch) -> Tensor:
        """Takes a step on `batch` and returns the loss before it."""
        for mine, given in zip(self.batch, batch, strict=True):
            mine.copy_(given)
        self.replay()
        self.optimizer.schedule.step()
        return self.loss.clone()

    def _step(self) -> Tensor:
        loss = self.recording(self.batch)
        self.optimizer.skip_unless_finite(loss)
        self.optimizer.update()
        return loss

    def _addresses(self) -> list[int]:
        return [tensor.data_ptr() for tensor in self._changing()]

    def _changing(self) -> Iterator[Tensor]:
        """Yields all that a step reads and changes, but for its batch."""
        yield from self.recording.given()
        yield from self.optimizer.moments()
        yield from self.optimizer.rates()

    def _compare(self) -> None:
        """Raises Unrecordable unless replays change the parameters as steps do with equal noise."""
        changes = []
        for step in (self._step, self.replay):
            start = [p.detach().clone() for p in self.optimizer.parameters]
            with trial(self.batch.device), restored(list(self._changing())):
                for _ in range(TRIAL_STEPS):
                    step()
                ends = zip(start, self.optimizer.parameters, strict=True)
                changes.append(torch.cat([(p.detach() - s).flatten() for s, p in ends]))
        expected, found = changes
        if not (found - expected).norm() <= TOLERANCE * expected.norm():
            raise Unrecordable(
                "a replay of the step does not change the parameters as the step does"
            )


def captured(work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Returns a replay of what `work` does on the GPU, and where its result then is."""
    graph = torch.cuda.CUDAGraph()
    # The outer context brings the stream back if capturing fails.
    with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
        result = work()
    return graph.replay, result


def can_capture(device: torch.device) -> bool:
    """Whether there are such graphs on `device`."""
    return device.type == "cuda"
