"""A whole step, optimiser included, as one CUDA graph.

A step of a small VAE is some hundred kernels that take a GPU less time than the host needs to launch them. A CUDA graph is
launched as one. It does the same to the same memory at every replay: a batch is copied to where the graph reads, and what a
step takes from the host (the learning rate, an annealed weight) are tensors that the host fills. torch advances its
generator at a replay as the step itself would: the noise is fresh, and that of the step.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from evidence.recording.modes import restored, trial
from inference.fast.compiled import Recording, Unrecordable
from inference.optimiser import FusedAdam

TRIAL_STEPS = 2
"""Of the graph and of the step, compared before the graph is trusted: a second one draws other noise."""
TOLERANCE = 1e-2
"""Of that comparison, relative to the parameters' change: kernels may add up in another order, nothing else."""


class StepGraph:
    """Steps of one pair on batches of one shape: `graph(batch)` does what `recording` and `optimiser` do, and returns the loss.

    The optimiser must have done a step already, so that its moments exist. Raises Unrecordable if a replay does not do what a
    step does, and whatever torch raises where a step cannot be captured. Leaves parameters and generators as they are.
    """

    def __init__(
        self, recording: Recording, optimiser: FusedAdam, batch: tuple[Tensor, ...]
    ) -> None:
        self.recording, self.optimiser = recording, optimiser
        self.batch = tuple(x.clone() for x in batch)
        optimiser.keep_rate_on(batch[0].device)
        with trial(batch[0].device), restored(list(self._changing())):
            self._step()  # what is made the first time (kernels, moments) must not be made while capturing
            self.replay, self.loss = captured(self._step)
        self.addresses = self._addresses()
        self._compare()

    def fits(self, recording: Recording, batch: tuple[Tensor, ...]) -> bool:
        """Whether a replay reads and writes what a step would."""
        return (
            recording is self.recording
            and recording.fits(batch)
            and self._addresses() == self.addresses
        )

    def __call__(self, batch: tuple[Tensor, ...]) -> Tensor:
        for mine, given in zip(self.batch, batch, strict=True):
            mine.copy_(given)
        self.replay()
        self.optimiser.schedule.step()
        return self.loss.clone()

    def _step(self) -> Tensor:
        loss = self.recording(self.batch)
        self.optimiser.skip_unless_finite(loss)
        self.optimiser.update()
        return loss

    def _addresses(self) -> list[int]:
        return [tensor.data_ptr() for tensor in self._changing()]

    def _changing(self) -> Iterator[Tensor]:
        """All that a step reads and changes, but for its batch."""
        yield from self.recording.given()
        yield from self.optimiser.moments()
        yield from self.optimiser.rates()

    def _compare(self) -> None:
        """Raise unless some replays change the parameters as as many steps do, from the same noise."""
        changes = []
        for step in (self._step, self.replay):
            start = [p.detach().clone() for p in self.optimiser.parameters]
            with trial(self.batch[0].device), restored(list(self._changing())):
                for _ in range(TRIAL_STEPS):
                    step()
                ends = zip(start, self.optimiser.parameters, strict=True)
                changes.append(torch.cat([(p.detach() - s).flatten() for s, p in ends]))
        expected, found = changes
        if not (found - expected).norm() <= TOLERANCE * expected.norm():
            raise Unrecordable(
                "a replay of the step does not change the parameters as the step does"
            )


def captured(work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """A replay of what `work` does on the GPU, and where its result then is."""
    graph = torch.cuda.CUDAGraph()
    with (
        torch.cuda.stream(torch.cuda.current_stream()),
        torch.cuda.graph(graph),
    ):  # the outer one comes back if capturing fails
        result = work()
    return graph.replay, result


def can_capture(device: torch.device) -> bool:
    """Whether there are such graphs on `device`."""
    return device.type == "cuda"
