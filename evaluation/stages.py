"""The stages of an evaluation, one after the other: shown while they last, kept when they are done.

Without a display and a place to keep results, as in a script, a stage is the function that it is
given.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from evaluation.kept import Found, Kept
from evaluation.notes import Note, Severity
from evaluation.waiting import Stage, Waiting
from parallel import group

T = TypeVar("T")


class Stages:
    """Measures stages, or finds them kept.

    `then` are those that follow an evaluation, and are no part of it. `to_come` names those of the
    evaluation that are not done, `found` those that were kept; `notes` say what could not be
    measured, and why.
    """

    def __init__(
        self,
        waiting: Waiting | None = None,
        kept: Kept | None = None,
        then: Sequence[Stage] = (),
    ) -> None:
        self.waiting, self.kept, self.then = waiting, kept, then
        self.notes: list[Note] = []
        self.to_come: list[str] = []
        self.found: list[str] = []

    def expect(self, stages: Sequence[Stage]) -> None:
        """Is told which stages are to come."""
        self.to_come += [stage.name for stage in stages]
        if self.waiting is not None:
            self.waiting.expect([*stages, *self.then])

    def note(self, text: str, severity: Severity = "note") -> None:
        """Adds a sentence about what could not be measured."""
        self.notes.append(Note(text, severity))

    def __call__(self, name: str, measure: Callable[[], T], *depends: object) -> T:
        """Returns what `measure` returns, or returned before.

        Arguments:
            name: Of a stage that is expected.
            measure: Takes what it depends on from `depends`, the weights and torch's random
                numbers, and from nothing else.
            depends: Tensors, and values whose `repr` tells them apart.
        """
        key = self.kept.key(name, *depends) if self.kept is not None else ""
        there = self.kept.find(name, key) if self.kept is not None else None
        if there is None:
            there = self._measured(name, measure)
            if self.kept is not None and group.is_first():
                self.kept.keep(name, key, there)
        else:
            self.found.append(name)
            if self.waiting is not None:
                self.waiting.skip(name)
        self.notes += there.notes
        self.to_come = [other for other in self.to_come if other != name]
        result: T = there.result
        return result

    def _measured(self, name: str, measure: Callable[[], T]) -> Found:
        before, self.notes = self.notes, []
        try:
            if self.waiting is None:
                result = measure()
            else:
                with self.waiting.entered_stage(name):
                    result = measure()
            return Found(result, self.notes)
        finally:
            self.notes = before
