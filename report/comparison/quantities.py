"""The numbers of an evaluation that a comparison shows: their names in the files and in words."""

from enum import StrEnum
from typing import Literal


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


WORDS: dict[str, str] = {
    Quantity.RATE: "rate",
    Quantity.ELBO: "ELBO",
    Quantity.IWAE: "IWAE",
    Quantity.AIS: "AIS",
    Quantity.EXACT: "log p(x)",
    Quantity.UPPER: "upper bound",
    Quantity.BITS: "bits/dim",
}
# The bounds, and the side of log p(x) that each is on.
SIDES: dict[Quantity, Literal["lower", "exact", "upper"]] = {
    Quantity.ELBO: "lower",
    Quantity.IWAE: "lower",
    Quantity.AIS: "lower",
    Quantity.EXACT: "exact",
    Quantity.UPPER: "upper",
}
TIGHTEST_FIRST = (Quantity.EXACT, Quantity.AIS, Quantity.IWAE, Quantity.ELBO)
# The parts of the gap, by the names that they have in evaluation.json.
GAP_PARTS = {"approximation_gap": "the family's part", "amortization_gap": "the encoder's part"}
