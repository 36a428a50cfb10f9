"""How a model is trained: the options under `train.`"""

from dataclasses import dataclass


@dataclass
class Train:
    """The options under `train.`; configs/train.yaml says what each of them means."""

    epochs: int = 100
    batch_size: int = 100
    learning_rate: float = 0.003
    schedule: str = "cosine"
    warmup_epochs: int = 1
    weight_decay: float = 0.0
    clip_norm: float | None = None
    patience: int | None = None
    checkpoint_seconds: float = 5.0
    compile: str = "auto"
    resume: str = "auto"
    tensorboard: bool = False
