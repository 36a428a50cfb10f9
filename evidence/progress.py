"""How far a long computation is: loops tell whoever listens, and nothing where nobody does.

    with listening(lambda share, words: print(f"{share:.0%} {words}")):
        ais(model, guide, x)        # 41% temperature 412 of 1,000

Loops nest. A loop in a step of another one fills a part of that step, so that the share of the
whole grows evenly from 0 to 1 whatever calls what.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
# Is called with the share of the whole that is done, and with where the innermost loop stands.
Listener = Callable[[float, str], None]


class _Watch:
    """The loops that are under way, from the outermost one to the innermost, and who listens."""

    def __init__(self, listener: Listener) -> None:
        self.listener, self.loops = listener, list[Loop]()

    def tell(self) -> None:
        share = 0.0
        for loop in reversed(self.loops):
            share = loop.share(share)
        words = [loop.words for loop in self.loops if loop.what]
        self.listener(share, words[-1] if words else "")


_watch: ContextVar[_Watch | None] = ContextVar("who listens to progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Inside, `listener` hears of every step of the loops here."""
    token = _watch.set(_Watch(listener))
    try:
        yield
    finally:
        _watch.reset(token)


class Loop:
    """`total` steps of something that takes long.

    Arguments:
        what: What a step is, "temperature", say; a loop without a name has a share and no words.
        total: How many steps there are.
        loops: How many loops, one after the other, each step consists of.
    """

    def __init__(self, what: str = "", total: int = 1, loops: int = 1) -> None:
        self.what, self.total, self.loops = what, max(total, 1), loops
        # `width` are the steps that are under way together, `inner` the loops in them that ended.
        self.done, self.width, self.inner = 0, 1, 0
        self.watch = _watch.get()
        self.depth = len(self.watch.loops) if self.watch else 0

    def __enter__(self) -> "Loop":
        if self.watch is not None:
            self.watch.loops.append(self)
            self.watch.tell()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.watch is not None:
            del self.watch.loops[self.depth :]
            if self.watch.loops:
                self.watch.loops[-1].inner += 1

    def did(self, steps: int = 1) -> None:
        """Says that so many more steps are done."""
        self.done, self.inner = self.done + steps, 0
        if self.watch is not None:
            del self.watch.loops[self.depth + 1 :]  # loops that an error or a `break` has left
            self.watch.tell()

    def share(self, of_step: float) -> float:
        """Returns the share that is done, `of_step` being that of the loop within this step."""
        step = min(1.0, (self.inner + of_step) / self.loops)
        return min(1.0, (self.done + self.width * step) / self.total)

    @property
    def words(self) -> str:
        """Where the loop stands, in words."""
        at = min(self.done + self.width, self.total)
        return f"{self.what} {at:,} of {self.total:,}"


def steps(
    items: Iterable[T], what: str = "", loops: int = 1, size: Callable[[T], int] | None = None
) -> Iterator[T]:
    """Yields `items`, each of which is a step of a `Loop`.

    Arguments:
        items: What is looped over.
        what, loops: as of `Loop`.
        size: How many steps an item counts for; one unless given.

    >>> with listening(lambda share, words: print(f"{share:.0%} {words}")):
    ...     for _ in steps("ab", "letter"):
    ...         pass
    0% letter 1 of 2
    50% letter 2 of 2
    100% letter 2 of 2
    """
    if _watch.get() is None:
        yield from items
        return
    every: Sequence[T] = items if isinstance(items, Sequence) else list(items)
    sizes = [1 if size is None else size(item) for item in every]
    with Loop(what, sum(sizes), loops) as loop:
        for item, loop.width in zip(every, sizes, strict=True):
            yield item
            loop.did(loop.width)
