"""The quantity that settings are ordered by, and what a table calls it."""

from collections.abc import Sequence

from errors import RequestError
from report.comparison.quantities import TIGHTEST_FIRST, WORDS, Quantity
from report.comparison.reading import EvaluatedRun

# What is spent on a bound: with more of it a bound is tighter, whatever the model. Two bounds of
# such a name are compared only if they were measured with the same effort.
EFFORTS: dict[str, str] = {
    Quantity.IWAE: "particles",
    Quantity.AIS: "temperatures/chains/start",
    Quantity.UPPER: "particles",
}
# The options of evaluate.py that set the effort.
OPTIONS: dict[str, str] = {
    Quantity.IWAE: "--particles",
    Quantity.AIS: "--ais, --chains and --ais-start",
}


def shared(runs: Sequence[EvaluatedRun]) -> set[str]:
    """Returns the names of the quantities that all runs have for every datum."""
    return set.intersection(*(set(run.per_datum) for run in runs))


def choose_measure(runs: Sequence[EvaluatedRun], by: str | None) -> tuple[str, list[str]]:
    """Chooses what to order runs by: the tightest quantity that all have on equal terms.

    A bound with more particles is tighter, which is no merit of its model.

    Arguments:
        runs: the runs of one table.
        by: the name of a quantity that is wanted, whatever its effort.

    Returns:
        The name, and sentences about what stood in the way of a tighter one.

    Raises:
        RequestError: if some run does not have the quantity `by`.
    """
    names = shared(runs)
    if by is not None:
        if by not in names:
            has = ", ".join(sorted(names))
            raise RequestError(f"--by {by}: not every run has it; all have {has}")
        efforts = _efforts(runs, by)
        asked = f"ordered by {by} as asked, although its {EFFORTS.get(by)} differ"
        return by, [f"{asked} ({_some(efforts)})"] if len(efforts) > 1 else []
    notes: list[str] = []
    for name in TIGHTEST_FIRST:
        efforts = _efforts(runs, name) if name in names else []
        if len(efforts) == 1:
            return name, notes
        if efforts:
            notes.append(
                f"{name.upper()} was measured with {_some(efforts)} {EFFORTS[name]}, and these are "
                "different bounds: not compared; evaluate all runs with the same "
                f"{OPTIONS[name]}"
            )
    raise AssertionError("every evaluated run has an ELBO")


def measure_name(name: str, runs: Sequence[EvaluatedRun]) -> str:
    """Returns a quantity's name in words: IWAE-5000, AIS-1000 if the runs agree in that number."""
    words = WORDS.get(name, name)
    if name not in EFFORTS:
        return words
    first = {effort.split("/")[0] for effort in _efforts(runs, name)}
    return f"{words}-{first.pop()}" if len(first) == 1 and "None" not in first else words


def _efforts(runs: Sequence[EvaluatedRun], name: str) -> list[str]:
    """Returns the efforts that were spent on a bound, in words, each once."""
    spent = {_effort(run, name) for run in runs}
    return sorted(spent, key=lambda text: (len(text), text))


def _effort(run: EvaluatedRun, name: str) -> str:
    bound = run.nats.get(name)
    if bound is None or name not in EFFORTS:
        return "None"
    if name == Quantity.AIS:
        return f"{bound.temperatures}/{bound.particles}/{bound.start}"
    return str(bound.particles)


def _some(efforts: Sequence[str]) -> str:
    return " and ".join(efforts[:4])
