"""Several processes that train or measure together, as torchrun starts them.

Every function here does what its name says for a process on its own, too. Data-parallel training in
one sentence: all processes have the same parameters and the same order of the data, each takes its
share of every batch, and gradients and loss are averaged over the batch (parallel/gradients.py)
before every process takes the same step of the optimizer.
"""

import contextlib
import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from errors import RequestError, TrainingError
from parallel import launch

T = TypeVar("T")
S = TypeVar("S")
# How long a process waits for the others. This is longer than any difference between them,
# compiling and drawing figures included.
PATIENCE = datetime.timedelta(minutes=30)


@contextmanager
def joined(device: str = "auto") -> Iterator[None]:
    """Inside, the processes that torchrun started are one group.

    They talk by gloo on CPUs, and by NCCL on GPUs, of which each process has one.
    """
    if launch.count() == 1:
        yield
        return
    # torch.cuda.is_available() would fix which GPUs are visible, for good.
    on_gpu = device != "cpu" and torch.cuda.device_count() > 0
    if on_gpu:
        own_gpu(*launch.local())
    with _peers():
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    with _only_first_speaks():
        yield
        # torchrun ends all processes once one has failed: the first, which says why, must not be
        # the last to get there.
        gather(None)
    dist.destroy_process_group()  # not after an error: the others may not answer


def own_gpu(rank: int, count: int) -> None:
    """Hides all GPUs but the one of this process, so that `cuda` means it everywhere.

    This must happen before CUDA is first used.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    if count > len(gpus):
        raise RequestError(
            f"--nproc-per-node={count}: there are {len(gpus)} GPUs here; "
            "one process each, or device=cpu"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = gpus[rank]


def rank() -> int:
    """Returns the number of this process in its group, from 0."""
    return dist.get_rank() if _grouped() else 0


def count() -> int:
    """Returns how many processes there are."""
    return dist.get_world_size() if _grouped() else 1


def is_first() -> bool:
    """Whether this is the process that prints and writes."""
    return rank() == 0


def gather(value: T) -> list[T]:
    """Returns, on every process, what each of them gave, in their order."""
    if not _grouped():
        return [value]
    found: list[Any] = [None] * count()
    with _peers():
        dist.all_gather_object(found, value)
    return found


def each(
    measure: Callable[[S], T],
    items: Sequence[S],
    along: Callable[[Sequence[S]], Iterable[S]] = iter,
) -> list[T]:
    """Applies `measure` to every item and returns all results, in order, on every process.

    `along` is what a process goes along its share by, to tell how far it is, say.

    Each process computes one contiguous share. Results that depend on noise are the same for any
    number of processes only if `measure` seeds it by the item.
    """
    start, stop = share(len(items), rank(), count())
    shares = gather([measure(item) for item in along(items[start:stop])])
    return [result for results in shares for result in results]


def share(total: int, rank: int, count: int) -> tuple[int, int]:
    """Returns where the share of process `rank` of `total` items begins and ends.

    Shares differ by one item at most, and the longer ones come first.
    """
    short, longer = divmod(total, count)
    return rank * short + min(rank, longer), (rank + 1) * short + min(rank + 1, longer)


def agreed(action: Callable[[], T]) -> T:
    """Returns `action()` of this process; if one of them raises RequestError, all raise that."""
    result, refusal = _tried(action)
    for found in gather(refusal):
        if found is not None:
            raise found
    return result  # type: ignore[return-value]


def from_first(action: Callable[[], T]) -> T:
    """Returns on all what `action()` returns on the first process, or raises its RequestError."""
    if not _grouped():
        return action()
    told: list[Any] = [_tried(action) if is_first() else None]
    with _peers():
        dist.broadcast_object_list(told)
    result, refusal = told[0]
    if refusal is not None:
        raise refusal
    return result


def same_start(tensors: Iterable[Tensor]) -> None:
    """Gives every process the values that the first one has."""
    if _grouped():
        with _peers(), torch.no_grad():
            for tensor in tensors:
                dist.broadcast(tensor, 0)


def all_reduce(values: Tensor) -> None:
    """Replaces `values` by their sums over the processes."""
    with _peers():
        dist.all_reduce(values)


def refuse_coupled(*reasons: str | None) -> None:
    """Raises RequestError if there is a reason why the loss of a batch is no sum over its data.

    Objectives and likelihoods give their reasons as `couples_data`.
    """
    for why in reasons:
        if why is not None:
            raise RequestError(
                f"{why}, of which each of {count()} processes has a part: train it with one process"
            )


def _grouped() -> bool:
    return dist.is_available() and dist.is_initialized()


def _tried(action: Callable[[], T]) -> tuple[T | None, RequestError | None]:
    try:
        return action(), None
    except RequestError as refusal:
        return None, refusal


@contextmanager
def _only_first_speaks() -> Iterator[None]:
    """Inside, what a process other than the first prints is lost; what it raises is not."""
    if is_first():
        yield
        return
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


@contextmanager
def _peers() -> Iterator[None]:
    """Says in one line that another process is gone.

    gloo and NCCL notice a closed connection at once.
    """
    try:
        yield
    except RuntimeError as error:
        what = " ".join(str(error).split())[:100]
        minutes = round(PATIENCE.total_seconds() / 60)
        raise TrainingError(
            f"another of the {launch.count()} processes ended, or did not answer "
            f"for {minutes} minutes ({what})"
        ) from error
