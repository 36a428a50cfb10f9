"""Noise that leaves the caller's random numbers as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def forked(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Inside, torch draws from generators of its own, seeded by `seed` if it is given.

    Afterwards the generators of the CPU and of `device` stand where they stood before.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        yield
