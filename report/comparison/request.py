"""What a user asks of a comparison, and what is refused."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from errors import RequestError, choose_from
from report.comparison.labels import labels_of, named
from report.comparison.reading import Settings


@dataclass(frozen=True)
class Asked:
    """How settings are ordered, compared and shown.

    `by` is the quantity to order by (None: the tightest that all runs of a table have),
    `reference` names the setting that the others are compared with (None: the best), `columns`
    are the names of the columns to show (None: all).
    """

    by: str | None = None
    reference: str | None = None
    columns: Sequence[str] | None = None


def find_reference(settings: Sequence[Settings], words: str) -> int | None:
    """Returns the number of the setting that is the reference; None if it is not among these.

    Raises:
        RequestError: if the words fit several settings.
    """
    found = named(settings, words)
    if len(found) > 1:
        labels = labels_of(settings)
        several = "; ".join(labels[index] for index in found[:4])
        raise RequestError(f"--reference {words}: {len(found)} settings have this: {several}")
    return found[0] if found else None


def refuse_unknown_reference(words: str, settings: Sequence[Settings]) -> None:
    """Says which settings there are instead of the reference."""
    there = "; ".join(dict.fromkeys(labels_of(settings)))
    raise RequestError(f"--reference {words}: no setting has this; there are {there[:500]}")


def refuse_unknown_columns(asked: Sequence[str], known: Collection[str]) -> None:
    """Says which columns there are, if one of those asked for is not there."""
    for column in asked:
        if column not in known:
            raise RequestError(f"--columns {column}: {choose_from(column, list(known))}")
