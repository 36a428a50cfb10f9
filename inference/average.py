"""A moving average of the weights (Polyak & Juditsky 1992), which is what is measured and kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from evidence.training.optimizer import FusedAdam

# The average of the first steps is a short one, so that it forgets the initial weights.
SOONEST = 10


class Average:
    """After every step, average ← decay · average + (1 − decay) · weights.

    At step t the decay is at most t / (t + 9). Parameters are averaged, and buffers are not.
    """

    def __init__(self, optimizer: FusedAdam, decay: float) -> None:
        self.optimizer, self.decay = optimizer, decay
        self.weights: list[Tensor] = list(optimizer.parameters)
        self.averages = [p.detach().clone() for p in self.weights]

    @torch.no_grad()
    def step(self) -> None:
        """Takes in the weights after a step of the optimizer."""
        taken = self.optimizer.schedule.last_epoch
        decay = min(self.decay, taken / (taken + SOONEST - 1))
        torch._foreach_lerp_(self.averages, self.weights, 1 - decay)

    @torch.no_grad()
    def restart(self) -> None:
        """Makes the weights as they are the average."""
        torch._foreach_copy_(self.averages, self.weights)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the parameters have the values of the average. They stay where they are."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for parameter, average in zip(self.weights, self.averages, strict=True):
            weights = parameter.clone()
            parameter.copy_(average)
            average.copy_(weights)
