"""The data that a model finds most unusual: those of the lowest log p(x)."""

from dataclasses import dataclass

from evaluation.result import Evaluation

MOST = 12


@dataclass(frozen=True)
class Unusual:
    """A datum by its number among those measured, what it is called, and its log p(x) in nats."""

    number: int
    name: str
    log_p: float


def most_unusual(evaluation: Evaluation, count: int = MOST) -> list[Unusual]:
    """Returns the `count` data of the lowest log p(x), as its tightest estimate says, lowest first.

    They are fewer if few data were measured: no more than a tenth.
    """
    log_p = evaluation.bounds.tightest.per_datum
    few = min(count, max(1, len(log_p) // 10))
    return [
        Unusual(number, evaluation.origins[number], float(log_p[number]))
        for number in log_p.argsort(stable=True)[:few].tolist()
    ]
