"""The learning rate over the course of training."""

import math


def factor(step: int, total: int, schedule: str, warmup: int = 0) -> float:
    """Returns what multiplies the learning rate at `step` of `total`, counted from 0.

    It rises linearly over `warmup` steps. Then it is 1 (`schedule` "constant"), or falls to 0 along
    half a cosine ("cosine", Loshchilov & Hutter 2017).
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(total - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
