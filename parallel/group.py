"""Several processes that train or measure together, as torchrun starts them; every function here does what its name says
for a process on its own, too.

Data-parallel training in one sentence: all processes have the same parameters and the same order of the data, each takes
its part of every batch, and gradients and loss are averaged over the batch (parallel/gradients.py) before every process
makes the same step of the optimiser.
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
PATIENCE = datetime.timedelta(minutes=30)
"""How long a process waits for the others: longer than any difference between them, compiling and drawing figures included."""


@contextmanager
def joined(device: str = "auto") -> Iterator[None]:
    """Inside, the processes that torchrun started are one group: gloo on CPUs, NCCL on GPUs, of which each has one."""
    if launch.count() == 1:
        yield
        return
    on_gpu = (
        device != "cpu" and torch.cuda.device_count() > 0
    )  # is_available() would fix which are visible, for good
    if on_gpu:
        own_gpu(*launch.local())
    with _peers():
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    with _only_first_speaks():
        yield
        gather(
            None
        )  # torchrun ends all when one has failed: the first, who says why, must not be the last
    dist.destroy_process_group()  # not after an error: the others may not answer


def own_gpu(rank: int, count: int) -> None:
    """Hide all GPUs but the one of this process: `cuda` then means it everywhere. Before CUDA is first used."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    if count > len(gpus):
        raise RequestError(
            f"--nproc-per-node={count}: there are {len(gpus)} GPUs here; one process each, or device=cpu"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = gpus[rank]


def rank() -> int:
    """The number of this process in its group, from 0."""
    return dist.get_rank() if _grouped() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _grouped() else 1


def is_first() -> bool:
    """Whether this is the process that prints and writes."""
    return rank() == 0


def gather(value: T) -> list[T]:
    """What every process gave, in their order; on each of them."""
    if not _grouped():
        return [value]
    found: list[Any] = [None] * count()
    with _peers():
        dist.all_gather_object(found, value)
    return found


def each(measure: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """`measure` of every item, in order, on every process: each has measured a run of consecutive ones, none of them twice.

    Results that depend on noise are the same for any number of processes only if `measure` seeds it by the item.
    """
    start, stop = share(len(items), rank(), count())
    return [
        result for part in gather([measure(item) for item in items[start:stop]]) for result in part
    ]


def share(total: int, rank: int, count: int) -> tuple[int, int]:
    """Where the part of process `rank` begins and ends: parts differ by one at most, the longer ones first."""
    short, longer = divmod(total, count)
    return rank * short + min(rank, longer), (rank + 1) * short + min(rank + 1, longer)


def agreed(action: Callable[[], T]) -> T:
    """`action()` on every process; where one of them refuses, all do, in its words."""
    result, refusal = _tried(action)
    for found in gather(refusal):
        if found is not None:
            raise found
    return result  # type: ignore[return-value]


def from_first(action: Callable[[], T]) -> T:
    """What the first process gets from `action()`, or its refusal; the others only hear of it."""
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
    """Give every process the values that the first one has."""
    if _grouped():
        with _peers(), torch.no_grad():
            for tensor in tensors:
                dist.broadcast(tensor, 0)


def all_reduce(values: Tensor) -> None:
    """Replace `values` by their sums over the processes."""
    with _peers():
        dist.all_reduce(values)


def wait() -> None:
    """Until all processes are here."""
    with _peers():
        dist.barrier()


def refuse_coupled(parts: Iterable[Any]) -> None:
    """Raise for a component whose loss of a batch is no sum over its data (`couples_data` says why)."""
    for part in parts:
        if why := getattr(part, "couples_data", None):
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
    """What another process prints is lost; what it raises is not."""
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
    """Say in one line that another process is gone; gloo and NCCL notice a closed connection at once."""
    try:
        yield
    except RuntimeError as error:
        what = " ".join(str(error).split())[:100]
        minutes = round(PATIENCE.total_seconds() / 60)
        raise TrainingError(
            f"another of the {launch.count()} processes ended, or did not answer for {minutes} minutes ({what})"
        ) from error
