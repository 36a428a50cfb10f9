"""What is said above a table, of every kind of table, against the numbers in it."""

import re

import numpy as np
import pytest

from errors import RequestError
from report.comparison.comparing import compare
from report.comparison.labels import labels_of, named
from report.comparison.paired import Paired, Part
from report.comparison.request import Asked
from report.comparison.statistics import Difference
from report.comparison.units import Unit
from report.comparison.verdict import verdict
from tests.report.comparison.every_table import KINDS, PAIRS, TWO_SPACES, drawn, run, tables
from tests.report.comparison.every_table import settings as runs_of

NUMBER = r"−?\d+\.\d+"
SIZE = rf"({NUMBER}) \[({NUMBER}), ({NUMBER})\]"


def names(comparison):
    """{what a sentence calls a setting: its number}."""
    return {comparison.name(i): i for i in range(len(comparison.settings))}


def test_every_name_is_of_one_setting():
    for one in tables():
        assert len(names(one)) == len(one.settings) and all(names(one))


def claims(comparison, sentence):
    """Yields (better, other, number, low, high, unit) of all that a sentence claims."""
    known = "|".join(map(re.escape, sorted(names(comparison), key=len, reverse=True)))
    known = known.replace(r"a\|b", "a.b")
    subject = r"is (better|lower|higher) than|the run of"
    for part in re.split(r"; ", sentence):
        first = re.search(rf"({known}) is (better|lower|higher) than", part)
        run_of = re.search(
            rf"run of ({known}) is (better|lower|higher) than that of ({known}) by", part
        )
        if run_of:
            size = re.search(SIZE, part)
            yield run_of[1], run_of[3], run_of[2], size.groups()
        elif first:
            for other, *size in re.findall(rf"than ({known}) by {SIZE}", part):
                yield first[1], other, first[2], size
        else:
            assert not re.search(subject, part)


def number(said):
    return float(said.replace("−", "-"))


def test_what_is_claimed_is_told_apart_by_as_much():
    """All claims are true, and nothing that is told apart from the baseline is left out."""
    for one in tables():
        said, family, known = verdict(one).sentence, one.family, names(one)
        assert said.endswith(".") and not said.startswith(("no ", "the "))
        told = {pair for pair, d in family.differences.items() if d.told_apart}
        about = {pair for pair in told if family.baseline in pair} or told
        found = set()
        for better, other, word, size in claims(one, said.rstrip(".")):
            a, b = known[better], known[other]
            d = family.difference(a, b)
            gain = d if one.unit is Unit.NATS else -d
            digits = len(size[0].partition(".")[2])
            expected = (gain.mean, gain.low, gain.high)
            assert [number(n) for n in size] == [pytest.approx(e, abs=0.51 * 10**-digits)
                                                 for e in expected]  # fmt: skip
            assert gain.mean > 0
            right = "lower" if one.unit is Unit.BITS else "better"
            assert word == (right if one.measure in ("iwae", "ais", "elbo", "exact") else "higher")
            found.add(min((a, b), (b, a)))
        ordered = {min(pair, pair[::-1]) for pair in about}
        subjects = re.findall(r" is (?:better|lower|higher) than (?!that)", said)
        assert len(subjects) == (len({pair[0] for pair in found}) if told else 0), "each once"
        if told:
            assert found <= ordered and len(found) == min(3, len(ordered))
            more = re.search(r"; (\d+) more pairs are told apart", said)
            assert (int(more[1]) if more else 0) == max(len(ordered) - 3, 0)
        elif len(one.settings) > 1:
            assert "told apart" in said
            small = min(d.p for d in family.differences.values())
            assert bool(found) == (small < 0.05) == ("luck of the seed" in said)
            if small >= 0.05:
                sign = "=" if len(family.differences) == 1 else "≥"
                assert said.endswith(f"(p {sign} {small:.3f}).")


def unsure(comparison):
    """The numbers of the settings that are not told apart from the baseline."""
    family = comparison.family
    return [
        sum(pair) - family.baseline
        for pair, d in family.differences.items()
        if family.baseline in pair and not d.told_apart
    ]


def test_settings_that_are_not_told_apart_are_named():
    for one in tables():
        said, others = verdict(one).sentence, [one.name(i) for i in unsure(one)]
        told = any(d.told_apart for d in one.family.differences.values())
        ends = re.search(r"is not told apart from ([^;]*?)( with .*)?\.$", said)
        base = one.name(one.family.baseline)
        if told and others:
            shown, more = others[:3], len(others) - 3
            expected = [*shown, f"{more} more"] if more > 0 else shown
            words = " and ".join([", ".join(expected[:-1])] * (len(expected) > 1) + expected[-1:])
            assert said.endswith(f"; {base} is not told apart from {words}.")
        elif told:
            assert "not told apart" not in said
        elif len(one.settings) == 2:
            assert f"{one.name(0)} is not told apart from {one.name(1)}" in said
        elif len(one.settings) > 2:
            assert f"{one.noun} is told apart from " in said
            another = base if one.family.is_reference else "another"
            assert f"is told apart from {another}" in said
        else:
            assert ends is None
        counts = sorted({len(setting.runs) for setting in one.settings})
        seeds = {(1,): "a single seed each"}.get(tuple(counts), f"these {counts[0]} seeds")
        if len(counts) > 1:
            seeds = f"{counts[0]} to {counts[-1]} seeds each"
        assert told or len(one.settings) == 1 or re.search(rf"[Ww]ith {seeds}", said)


def test_the_outlook_says_what_the_pairs_need():
    for one in tables():
        outlook, baseline = verdict(one).outlook, one.family.baseline
        with_spread = [i for i in unsure(one) if one.family.difference(i, baseline).test.seeds_too]
        if not with_spread:
            assert bool(outlook) == bool(unsure(one))
            assert not outlook or outlook == "Two or more seeds each would show what is luck."
            continue
        need = sorted(
            (one.family.difference(i, baseline).seeds_needed or 1001, one.name(i))
            for i in with_spread
        )
        said = [f"about {n:,}" if n <= 1000 else "more than 1,000" for n, _ in need]
        first = f"{said[0]} seeds each would tell {one.name(baseline)} from {need[0][1]}"
        rest = [f"{n} from {name}" for n, (_, name) in zip(said, need, strict=True)][1:3]
        begin = ", ".join([first[0].upper() + first[1:], *rest]) + " (an estimate: 80 % power"
        assert outlook.startswith(begin)
        pairs = len(one.family.differences)
        assert (f"shared by {pairs} pairs" in outlook) == (pairs > 1)


def test_notes_say_what_a_reader_has_to_know():
    for one in tables():
        said = " | ".join(one.notes)
        tests = one.family.differences.values()
        assert ("has a single seed" in said) == any(not d.test.seeds_too for d in tests)
        steps = any(d.told_apart and d.low <= 0 <= d.high for d in tests)
        assert ("p decides" in said) == steps
        interrupted = [run for run in one.runs if run.missing]
        for run_ in interrupted:
            assert (
                f"of {run_.path} was interrupted, and is without {', '.join(run_.missing)}" in said
            )
        assert said.count("was interrupted") == len(interrupted)
        reference = one.asked.reference
        nowhere = reference is not None and not one.family.is_reference
        assert (f"no setting here has {reference}" in said) == nowhere
        efforts = {run.nats["iwae"].particles for run in one.runs}
        assert ("100 and 1000" in said) == (len(efforts) > 1)
        starts = {run.nats["ais"].start for run in one.runs if "ais" in run.nats}
        assert ("1000/16/guide and 1000/16/prior" in said) == (len(starts) > 1)
        known = {"iwae": "IWAE-100" if efforts == {100} else "IWAE", "ais": "AIS-1000"}
        known |= {"elbo": "ELBO", "exact": "log p(x)", "kl": "rate"}
        assert one.measure_name == known[one.measure]


def test_a_table_of_another_data_set_says_what_separates_it():
    """Of what the groups differ in, all is said, and what they share is not."""
    first, second = compare(PAIRS)
    assert not first.notes
    assert second.notes == ["not comparable with the first table; data: digits above, mnist here"]
    three = compare(TWO_SPACES)
    assert [table.unit for table in three] == [Unit.NATS, Unit.NATS, Unit.BITS]
    assert three[1].notes == ["not comparable with the first table; space: bytes above, unit here"]
    assert "the bits of unit are upper bounds" in three[2].notes[0]
    assert three[2].notes[0].startswith("runs on bytes and unit meet here")


@pytest.mark.parametrize(
    ("spaces", "widths", "meet"),
    [
        (("bytes", "unit"), (0.0, -8.0), True),
        (("counts", "real"), (0.0, 3.0), True),
        (("bytes", "unit"), (0.0, 0.0), False),
        (("binary", "unit"), (0.0, -8.0), False),
        (("unit", "real"), (-8.0, 0.0), False),
        (("unit", "real"), (-8.0, 2.0), True),
        (("bytes", "counts"), (0.0, 0.0), True),
    ],
)
def test_levels_meet_in_bits_and_nothing_else_does(spaces, widths, meet):
    """Densities of data that were never quantised, and binarised data, have no levels."""
    runs = [
        one
        for space, width in zip(spaces, widths, strict=True)
        for one in runs_of(-900.0, -910.0, space=space, width=width)
    ]
    found = compare(runs)
    assert len(found) == (3 if meet else 2)
    if meet:
        bits = {run.path: run.bits.mean for run in runs}
        for setting in found[2].settings:
            expected = np.mean([bits[run.path] for run in setting.runs])
            assert setting.averages[found[2].measure].mean == pytest.approx(expected)


def test_a_difference_is_one_below_five_per_cent_alone():
    parts = (Part(1.0, 2), Part(1.0, 2))
    for p, differs in ((0.0499, True), (0.0501, False), (1 - 0.95, False), (0.06, False)):
        for seeds in (parts, parts[:1], ()):
            d = Difference(Paired(1.0, None, seeds), 3.0, p, None)
            assert d.differs == differs and d.told_apart == (differs and len(seeds) == 2)
            assert (d.low, d.high, (-d).mean, (-d).low, (-d).high) == (-2, 4, -1, -4, 2)


def test_what_a_run_has_none_of_cannot_be_asked_for():
    runs = KINDS["exact of one"][0]
    for by in ("exact", "nothing"):
        with pytest.raises(RequestError, match=f"--by {by}: not every run has it; all have"):
            compare(runs, Asked(by=by))
    assert compare(runs, Asked(by="elbo"))[0].measure == "elbo"
    assert compare(runs)[0].measure == "iwae", "the tightest that all have"
    assert compare(KINDS["exact"][0])[0].measure == "exact"


def drawn_settings(generator):
    """Settings as configurations have them: a prior brings options of its own along."""
    own = {prior: generator.random(2) < 0.5 for prior in ("flow", "vamp")}
    found = {}
    for _ in range(generator.integers(2, 6)):
        prior = str(generator.choice(["flow", "vamp"]))
        options = {"choices.prior": prior, "latent_dim": int(generator.integers(2, 4))}
        for name, has in zip(("prior.size", "prior.scale"), own[prior], strict=True):
            options |= {name: int(generator.integers(1, 4))} if has else {}
        found[repr(options)] = options
    return list(found.values())


def test_labels_tell_settings_apart_and_name_them():
    generator = np.random.default_rng(0)
    for some in (drawn_settings(generator) for _ in range(200)):
        labels = labels_of(some)
        assert len(set(labels)) == len(some) and all(labels)
        if len(some) == 1:
            continue
        for index, label in enumerate(labels):
            assert named(some, label) == [index]
            for part in label.split(" · "):
                key, _, value = part.partition("=")
                known = {str(some[index].get(name)) for name in (key, f"choices.{key}")}
                assert value in known, "it says what the setting has"
        for reference in range(len(some)):
            changed = labels_of(some, reference)
            assert changed[reference] == labels[reference] and len(set(changed)) == len(some)
            for label, full in zip(changed, labels, strict=True):
                parts, every = set(label.split(" · ")), set(full.split(" · "))
                assert label == "defaults" or parts <= every
                if label != full and changed != labels:
                    assert not parts & set(labels[reference].split(" · ")), "what it changes alone"


def test_a_single_setting_is_called_by_its_choices():
    chosen = {"choices.data": "digits", "choices.prior": "flow", "latent_dim": 2}
    assert labels_of([chosen]) == ["flow"]
    assert labels_of([chosen | {"choices.guide": "iaf"}] * 2) == ["flow · iaf"] * 2
    assert labels_of([{"choices.data": "digits", "latent_dim": 2}]) == ["the run"]


def test_what_all_settings_differ_in_names_them():
    """Priors, values of one option, or settings."""
    assert {one.noun for one in compare(KINDS["two"][0])} == {"prior"}
    sizes = [run(drawn(-20.0, n, s), s, options={"latent_dim": n}) for n in (2, 3) for s in (0, 1)]
    (one,) = compare(sizes)
    assert one.noun == "value of latent_dim" and names(one).keys() == {
        "latent_dim=2",
        "latent_dim=3",
    }
    (several,) = compare(*KINDS["reference among options"])
    assert several.noun == "setting" and several.name(several.family.baseline) == "the reference"
    assert compare(KINDS["one"][0])[0].noun == "setting"
