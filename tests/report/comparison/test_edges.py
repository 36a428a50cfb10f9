"""What a comparison leaves out or refuses, and the last number before it does."""

from dataclasses import replace

import numpy as np
import pytest

from errors import RequestError
from report.comparison.comparing import compare
from report.comparison.grouping import group, why_apart
from report.comparison.labels import labels_of, named
from report.comparison.paired import Paired, Part
from report.comparison.power import power, seeds_needed
from report.comparison.reading import Bits, Measurement
from report.comparison.request import Asked
from report.comparison.units import Unit, width_in_bits
from tests.report.comparison.every_table import drawn, run, settings


def with_data(one, **facts):
    return replace(one, data=replace(one.data, **facts))


@pytest.mark.parametrize(("dimensions", "known"), [(None, False), (0, False), (1, True), (2, True)])
def test_a_width_is_that_of_the_levels_of_each_dimension(dimensions, known):
    """Bits = −width − nats/(D log 2), for any D that there is."""
    one = with_data(run(np.array([-3.0, -5.0])), dimensions=dimensions)
    width = width_in_bits(one)
    assert (width is not None) == known
    nats = one.nats["iwae"].mean
    if known:
        assert one.bits.mean == pytest.approx(-width - nats / (dimensions * np.log(2)))
        found = Unit.BITS.values([one], "iwae")
        assert found.mean() == pytest.approx(one.bits.mean)
        assert found[0, 1] > found[0, 0], "what is less likely takes more bits"
    else:
        with pytest.raises(ValueError, match="the width of its levels is unknown"):
            Unit.BITS.convert(one, one.per_datum["iwae"])
    assert width_in_bits(replace(one, bits=None)) is None
    assert width_in_bits(replace(one, bits=Bits(1.0, "ais"))) is None


def bits_shown(runs):
    (one,) = compare(runs)
    return "bits_per_dim" in one.known, [note for note in one.notes if "bits/dim" in note]


def test_bits_stand_in_a_table_if_all_runs_have_them_of_one_bound():
    first, *others = settings(-20.0, -25.0)
    assert bits_shown([first, *others]) == (True, [])
    elbo = replace(first, bits=Bits(first.bits.mean, "elbo"))
    shown, notes = bits_shown([elbo, *others])
    assert not shown and notes == ["bits/dim come from elbo and iwae here, and are left out"]
    assert bits_shown([replace(first, bits=None), *others]) == (False, [])
    assert bits_shown([replace(one, bits=None) for one in (first, *others)]) == (False, [])
    unequal = [
        replace(one, bits=Bits(1.0, "exact"), nats=one.nats | {"exact": Measurement(-1.0)})
        for one in (first, *others)
    ]
    assert bits_shown(unequal) == (False, []), "there is no exact value per datum"


def test_a_refusal_names_four_settings_and_no_more():
    runs = [run(drawn(-20.0, n, 0), prior="flow", options={"latent_dim": n}) for n in range(6)]
    with pytest.raises(RequestError, match="--reference flow: 6 settings have this") as refusal:
        compare(runs, Asked(reference="flow"))
    assert str(refusal.value).count("latent_dim=") == 4
    with pytest.raises(RequestError, match="no setting has this; there are latent_dim=0") as one:
        compare(runs, Asked(reference="vamp"))
    assert str(one.value).count("latent_dim=") == 6
    long = [run(drawn(-20.0, n, 0), prior=str(n) * 400) for n in range(3)]
    with pytest.raises(RequestError) as cut:
        compare(long, Asked(reference="vamp"))
    assert len(str(cut.value)) < 600
    with pytest.raises(RequestError, match="--columns nothing: "):
        compare(runs, Asked(columns=("elbo", "nothing")))


def test_what_separates_groups_is_what_differs_and_nothing_else():
    """Other values are no news where the data differ; a long value is cut."""
    one = run(np.arange(9.0), options={"data.seed": 0})
    apart = {
        "name": with_data(one, name="x" * 100),
        "split": with_data(one, split="valid", fingerprint="other"),
        "fingerprint": with_data(one, fingerprint="other"),
        "data.seed": run(np.arange(9.0), options={"data.seed": 1}),
        "num_examples": run(np.arange(8.0), options={"data.seed": 0}),
    }
    said = {
        "name": f"data: digits above, {'x' * 60} here",
        "split": "split: test above, valid here",
        "fingerprint": "values: None above, other here",
        "data.seed": "data.seed: 0 above, 1 here",
        "num_examples": "number of examples: 9 above, 8 here",
    }
    for key, other in apart.items():
        groups = group([one, other, one])
        assert [len(g.runs) for g in groups] == [1, 1]
        assert why_apart(groups) == [f"not comparable with the first table; {said[key]}"]
    same = run(np.arange(9.0), 1, options={"data.seed": 0, "data.root": "elsewhere"})
    (both,) = group([one, same])
    assert both.runs == [one, same] and not both.copies
    assert both.title == "digits, test split, binary, 9 examples"
    copy = replace(one, path=one.path / "copy")
    (once,) = group([one, copy])
    assert once.runs == [one] and f"{copy.path} is {one.path} again" in once.copies[0]


def test_as_many_as_a_thousand_seeds_are_searched():
    """An effect for which the last of them is just enough, and a little less of it."""
    parts = (Part(1.0, 1), Part(1.0, 1))

    def test_of(mean):
        return Paired(mean, None, parts)

    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power(test_of(middle), 1000, 0.05) >= 0.8 else (middle, high)
    assert seeds_needed(test_of(high * (1 + 1e-9)), 0.05) == 1000
    assert seeds_needed(test_of(low * (1 - 1e-6)), 0.05) is None
    assert seeds_needed(test_of(1e6), 0.05) == 2
    # Two of each side, of variance 2 each: 2 · (4/n) over n pairs, so z = 2.8 needs about 8 · 4/d².
    assert seeds_needed(test_of(0.4), 0.05) == pytest.approx(
        2 * (1.96 + 0.84) ** 2 * 2 / 0.16, rel=0.02
    )
    for data, mean, found in ((None, 0.0, 0), (None, 1.0, 1), (Part(0.0, 3), 1.0, 1)):
        still = Paired(mean, data, (Part(0.0, 1), Part(0.0, 1)))
        assert power(still, 2, 0.05) == found
    assert power(Paired(0.0, Part(1.0, 3), parts), 2, 0.05) == 0


def test_nothing_is_known_of_a_number_each():
    single = Paired(1.0, None, ())
    assert single.total == (np.inf, 1.0) and single.p == 1 and np.isinf(single.half_width(0.95))
    assert Paired(0.0, Part(0.0, 2), ()).p == 1 and Paired(0.1, Part(0.0, 2), ()).p == 0


def test_four_efforts_are_named_and_no_more():
    """In their order: numbers as numbers."""
    runs = [
        run(drawn(-20.0, n, 0), prior=str(n), particles=particles)
        for n, particles in enumerate((1000, 50, 100, 20, 5000, 8))
    ]
    for asked, after in ((Asked(), " particles, and these"), (Asked(by="iwae"), ")")):
        (one,) = compare(runs, asked)
        assert f"8 and 20 and 50 and 100{after}" in " ".join(one.notes)


def test_a_label_names_its_setting_even_if_others_have_what_it_says():
    assert named([{"a": None, "b": 1}, {"b": 1}], "defaults") == [1]
    several = [{"a": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}]
    assert labels_of(several) == ["a=1", "a=1 · b=2", "a=2 · b=2"]
    assert [named(several, label) for label in labels_of(several)] == [[0], [1], [2]]
    assert named(several, "b=2") == [1, 2]
