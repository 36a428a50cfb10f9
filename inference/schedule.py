"""The learning rate over the course of training."""

import math

SCHEDULES = ("constant", "cosine")


def factor(step: int, total: int, schedule: str, warmup: int = 0) -> float:
    """What the learning rate is multiplied by at `step` of `total` (from 0): linear warm-up over `warmup` steps, then
    constant or falling to 0 along half a cosine (Loshchilov & Hutter 2017)."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(total - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
