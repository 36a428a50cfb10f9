"""Where an axis of epochs has its ticks. Importing this does not import torch."""

# Ticks between the ends, at most.
MOST = 4


def epoch_ticks(first: int, last: int) -> list[int]:
    """Returns both ends, and between them multiples of 1, 2 or 5 times a power of ten.

    None stands so near an end that their labels would touch.

    >>> epoch_ticks(1, 60), epoch_ticks(1, 3), epoch_ticks(7, 7)
    ([1, 20, 40, 60], [1, 2, 3], [7])
    """
    steps = (digit * 10**power for power in range(20) for digit in (1, 2, 5))
    step = next(step for step in steps if step * MOST >= last - first)
    inner = range(first + 1, last)
    room = 0.4 * step
    between = [e for e in inner if e % step == 0 and e - first >= room and last - e >= room]
    return sorted({first, *between, last})
