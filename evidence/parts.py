"""What a distribution is made of."""

from collections.abc import Iterator

import torch
from torch.distributions import Distribution, Transform


def parts_of(value: object) -> Iterator[object]:
    """Yields a distribution or a transform and all that it is made of, at whatever depth."""
    seen: dict[int, object] = {}
    left = [value]
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        if isinstance(part, (Distribution, Transform)):
            yield part
            left.extend(vars(part).values())
        elif isinstance(part, (list, tuple, torch.nn.ModuleList)):
            left.extend(part)
