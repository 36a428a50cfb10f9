"""A hash of data: whether the values and labels are those that a run was trained on."""

import hashlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from data.labels import Label
from data.storage import Storage

# By what is hashed; labels are None where there are none.
Fingerprint = Mapping[str, str | None]


def fingerprint(
    stored: Mapping[str, Storage], labels: Mapping[str, Tensor | None], classes: Sequence[Label]
) -> Fingerprint:
    """Returns the SHA-256 of all stored values, and of all labels.

    Of values on disk it is that of their shape and of blocks at even distances. It does not depend
    on the space: noise that is drawn does not belong to the data.
    """
    values = hashlib.sha256()
    for part, split in stored.items():
        values.update(repr((part, split.shape)).encode())
        for block in split.sampled():
            values.update(repr(block.dtype).encode())
            values.update(block.contiguous().view(torch.uint8).numpy().data)
    known = {part: of_split.tolist() for part, of_split in labels.items() if of_split is not None}
    of_labels = hashlib.sha256(repr((known, list(classes))).encode()).hexdigest() if known else None
    return {"values": values.hexdigest(), "labels": of_labels}
