"""Sentences about an evaluation, each with how serious it is. Needs no torch."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "warning"]


@dataclass(frozen=True)
class Note:
    """A sentence about an evaluation.

    A warning says that a number is not to be relied on, or that the pair has a defect; a note says
    what was found, and what could not be measured.
    """

    text: str
    severity: Severity = "note"
