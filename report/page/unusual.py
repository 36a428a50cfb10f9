"""The most unusual data of an evaluation, each with its name, and its picture if it is one."""

from typing import NamedTuple

import torch

from errors import printable
from evaluation.result import Evaluation
from evaluation.unusual import most_unusual
from report.page.sprites import Look


class Card(NamedTuple):
    """A datum: its number from 1, its name, its log p(x), and the address of its picture or ''."""

    number: int
    name: str
    log_p: float
    picture: str


def unusual_cards(evaluation: Evaluation) -> list[Card]:
    """Returns a card for each of the most unusual data, the lowest log p(x) first."""
    found, x = most_unusual(evaluation), evaluation.codes.batch.x
    look = Look.of(x)
    pictures = [""] * len(found)
    if look.picture:
        pictures = look.addresses(x[torch.tensor([one.number for one in found])])
    return [
        Card(one.number + 1, printable(one.name), one.log_p, picture)
        for one, picture in zip(found, pictures, strict=True)
    ]
