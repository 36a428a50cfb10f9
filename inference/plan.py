"""How a run trains. This module needs no torch: the command line reads its names from here."""

from collections.abc import Callable
from dataclasses import dataclass

from inference.schedule import factor


@dataclass(frozen=True)
class Train:
    """The options under `train.`; configs/train.yaml says what each of them does."""

    epochs: int = 100
    batch_size: int = 100
    learning_rate: float = 0.003
    schedule: str = "cosine"
    warmup_epochs: int = 1
    weight_decay: float = 0.0
    clip_norm: float | None = None
    average: float | None = None
    patience: int | None = None
    checkpoint_seconds: float = 5.0
    compile: str = "auto"
    resume: str = "auto"
    tensorboard: bool = False

    def rate_factor(self, steps: int) -> Callable[[int], float]:
        """Returns what multiplies the learning rate at each step, where an epoch has `steps`."""
        total, warmup = steps * self.epochs, steps * self.warmup_epochs
        return lambda step: factor(step, total, self.schedule, warmup)
