"""The numbers of an evaluation that a comparison shows, by their names in the files."""

from enum import StrEnum
from typing import Literal

from report.names import BOUNDS


class Quantity(StrEnum):
    """A name in evaluation.json; columns of a table stand in this order."""

    RECONSTRUCTION = "reconstruction"
    RATE = "kl"
    ELBO = "elbo"
    IWAE = "iwae"
    AIS = "ais"
    EXACT = "exact"
    UPPER = "upper"
    GAP = "gap"
    BITS = "bits_per_dim"


# What a table calls quantities; others have the name that they have in the files.
WORDS: dict[str, str] = BOUNDS | {Quantity.RATE: "rate", Quantity.BITS: "bits/dim"}
# The bounds of a ladder, and the side of log p(x) that each is on.
KINDS: dict[Quantity, Literal["lower", "exact", "upper"]] = {
    Quantity.ELBO: "lower",
    Quantity.IWAE: "lower",
    Quantity.AIS: "lower",
    Quantity.EXACT: "exact",
    Quantity.UPPER: "upper",
}
TIGHTEST_FIRST = (Quantity.EXACT, Quantity.AIS, Quantity.IWAE, Quantity.ELBO)
