"""What torchrun says about itself, in the environment: known before torch is imported."""

import os


def rank() -> int:
    """Returns the number of this process, from 0; the first one prints and writes."""
    return int(os.environ["RANK"]) if launched() else 0


def count() -> int:
    """Returns how many processes run this command together, on all machines."""
    return int(os.environ["WORLD_SIZE"]) if launched() else 1


def local() -> tuple[int, int]:
    """Returns the number of this process among those of its machine, and how many these are."""
    return (
        (int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]))
        if launched()
        else (0, 1)
    )


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ
