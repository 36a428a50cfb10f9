"""What follows from a comparison, in sentences: which settings are told apart, and what would."""

from collections.abc import Sequence
from typing import NamedTuple

from evaluation.measured import typeset
from report.comparison.cells import difference_digits, p_value
from report.comparison.comparing import Comparison
from report.comparison.power import MOST_SEEDS, POWER
from report.comparison.quantities import KINDS, TIGHTEST_FIRST
from report.comparison.statistics import Difference
from report.comparison.units import Unit

# Settings or pairs that a sentence names, at most.
MOST_NAMED = 3
# The numbers of two settings, the better first, and the difference of the first to the second.
Pairs = dict[tuple[int, int], Difference]


class Verdict(NamedTuple):
    """What the runs say, and how many seeds would say more; "" where nothing is left to say."""

    sentence: str
    outlook: str = ""


def verdict(comparison: Comparison) -> Verdict:
    """Returns what follows from a comparison.

    Settings are told apart only if both have several seeds: without them, trained runs are.
    """
    if len(comparison.settings) == 1:
        return Verdict("There is one setting: nothing is compared.")
    family = comparison.family
    pairs = {
        (min(a, b), max(a, b)): family.difference(min(a, b), max(a, b))
        for a, b in family.differences
    }
    told = {pair: d for pair, d in pairs.items() if d.told_apart}
    with_baseline = {pair: d for pair, d in told.items() if family.baseline in pair}
    unsure = {p: d for p, d in pairs.items() if family.baseline in p and not d.told_apart}
    sentence = _told(comparison, with_baseline or told) if told else _nothing(comparison, pairs)
    if told and unsure:
        equal = _some([comparison.name(sum(pair) - family.baseline) for pair in unsure])
        sentence += f"; {comparison.name(family.baseline)} is not told apart from {equal}"
    # A sentence that begins with the name of a setting has no capital.
    if sentence.startswith(("no ", "the ")):
        sentence = sentence[0].upper() + sentence[1:]
    return Verdict(f"{sentence}.", _outlook(comparison, unsure))


def _nothing(comparison: Comparison, pairs: Pairs) -> str:
    """Says that no two settings are told apart, and whether trained runs differ nevertheless."""
    baseline = comparison.family.baseline
    if len(comparison.settings) == 2:
        sentence = f"{comparison.name(0)} is not told apart from {comparison.name(1)}"
    elif comparison.family.is_reference:
        sentence = f"no {comparison.noun} is told apart from {comparison.name(baseline)}"
    else:
        sentence = f"no {comparison.noun} is told apart from another"
    pair = min(pairs, key=lambda pair: pairs[pair].p)
    if not pairs[pair].differs:
        p = f"p {'=' if len(pairs) == 1 else '≥'} {p_value(pairs[pair].p)}"
        return f"{sentence} with {_seeds(comparison)} ({p})"
    first, other = (comparison.name(index) for index in pair)
    than = f"{_better(comparison)} than that of {other} by {_size(comparison, pairs[pair])}"
    seeds = _seeds(comparison)
    return f"With {seeds}, {sentence}: the run of {first} is {than}, which may be luck of the seed"


def _told(comparison: Comparison, told: Pairs) -> str:
    """Says of each pair which setting is better than which, and by how much."""
    sentence, subject = "", None
    for pair, d in list(told.items())[:MOST_NAMED]:
        size = _size(comparison, d, with_unit=subject is None)
        than = f"than {comparison.name(pair[1])} by {size}"
        if pair[0] == subject:
            sentence += f", {than}"
        else:
            start = "; " if subject is not None else ""
            sentence += f"{start}{comparison.name(pair[0])} is {_better(comparison)} {than}"
        subject = pair[0]
    more = len(told) - MOST_NAMED
    return sentence + (f"; {more} more pairs are told apart" if more > 0 else "")


def _size(comparison: Comparison, d: Difference, with_unit: bool = True) -> str:
    """Returns "2.98 [2.60, 3.36] nats of log p(x)" of a difference of the better to the other."""
    digits = difference_digits(comparison)
    gain = d if comparison.unit.higher_is_better else -d
    interval = f"{gain.mean:z.{digits}f} [{gain.low:z.{digits}f}, {gain.high:z.{digits}f}]"
    return typeset(interval) + (f" {_unit(comparison)}" if with_unit else "")


def _better(comparison: Comparison) -> str:
    """A higher bound is better; a higher rate is just higher, and bits may be an upper bound."""
    if comparison.unit is Unit.BITS:
        return "lower"
    return "better" if comparison.measure in TIGHTEST_FIRST else "higher"


def _unit(comparison: Comparison) -> str:
    if comparison.unit is Unit.BITS:
        return str(comparison.unit)
    side = {"lower": ", a lower bound", "upper": ", an upper bound"}
    kinds: dict[str, str] = {str(name): kind for name, kind in KINDS.items()}
    return f"nats of {comparison.measure_name}{side.get(kinds.get(comparison.measure, ''), '')}"


def _outlook(comparison: Comparison, unsure: Pairs) -> str:
    """Estimates how many seeds would tell the baseline from those that it is not told apart from.

    It is a plan for the next experiment, and says nothing more about this one.
    """
    known = {pair: d for pair, d in unsure.items() if d.test.seeds_too}
    if not known:
        return "Two or more seeds each would show what is luck." if unsure else ""
    baseline = comparison.family.baseline
    needed = sorted(
        (d.seeds_needed or MOST_SEEDS + 1, comparison.name(sum(pair) - baseline))
        for pair, d in known.items()
    )
    numbers = [f"about {n:,}" if n <= MOST_SEEDS else f"more than {n - 1:,}" for n, _ in needed]
    parts = [f"{n} from {name}" for n, (_, name) in zip(numbers, needed, strict=True)][:MOST_NAMED]
    first = f"{numbers[0]} seeds each would tell {comparison.name(baseline)} from {needed[0][1]}"
    share = len(comparison.family.differences)
    among = f", with the level shared by {share} pairs" if share > 1 else ""
    sentence = ", ".join([first[0].upper() + first[1:], *parts[1:]])
    assumed = "if the difference and the spread seen are the true ones"
    return f"{sentence} (an estimate: {POWER * 100:.0f} % power {assumed}{among})."


def _seeds(comparison: Comparison) -> str:
    counts = sorted({len(setting.runs) for setting in comparison.settings})
    if counts == [1]:
        return "a single seed each"
    if len(counts) == 1:
        return f"these {counts[0]} seeds"
    return f"{counts[0]} to {counts[-1]} seeds each"


def _some(names: Sequence[str]) -> str:
    """Returns the first few names, and how many more there are."""
    shown = list(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        shown.append(f"{len(names) - MOST_NAMED} more")
    return " and ".join([", ".join(shown[:-1])] * (len(shown) > 1) + shown[-1:])
