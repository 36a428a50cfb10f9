"""The sentence that a comparison opens with claims what the numbers say, and nothing more."""

import re

import numpy as np
import pytest

from report.comparison.comparing import compare
from report.comparison.reading import read_run
from report.comparison.request import Asked
from report.comparison.verdict import verdict
from tests.made_runs import make_run


def said(folder, means, asked=None, seeds=2, luck=0.05, **how):
    """The verdict on priors whose mean IWAE is as given."""
    runs = []
    for number, (prior, mean) in enumerate(means.items()):
        for seed in range(seeds):
            noise = np.random.default_rng(100 * number + seed)
            values = mean + noise.normal(0, 0.5, 50) + luck * noise.normal()
            path = folder / f"{prior}-{seed}"
            how |= {"choices": {"prior": prior}, "seed": seed}
            runs.append(read_run(make_run(path, values, **how)))
    return verdict(compare(runs, asked or Asked())[0])


def test_a_better_prior_is_named_with_its_difference(tmp_path):
    found = said(tmp_path, {"standard_normal": -30.0, "flow": -27.0})
    assert found.sentence.startswith("flow is better than standard_normal by 3.0")
    assert found.sentence.endswith("] nats of IWAE-100, a lower bound.") and not found.outlook


def test_equal_priors_are_not_told_apart_and_seeds_are_asked_for(tmp_path):
    means = {"standard_normal": -30.0, "vamp": -30.1, "flow": -30.05}
    found = said(tmp_path, means, luck=0.5, seeds=3)
    assert found.sentence.startswith("No prior is told apart from another with these 3 seeds (p ≥ ")
    assert "seeds each would tell" in found.outlook and "an estimate: 80 % power" in found.outlook


def test_a_single_seed_tells_no_prior_apart_however_much_runs_differ(tmp_path):
    found = said(tmp_path, {"standard_normal": -30.0, "flow": -20.0}, seeds=1)
    assert found.sentence.startswith(
        "With a single seed each, flow is not told apart from standard_normal: the run of flow is "
        "better than that of standard_normal by 10."
    )
    assert found.outlook == "Two or more seeds each would show what is luck."


def test_the_best_is_told_from_some_and_not_from_others(tmp_path):
    found = said(tmp_path, {"flow": -20.0, "vamp": -20.02, "standard_normal": -30.0})
    assert "is better than standard_normal by " in found.sentence
    assert found.sentence.count("better") == 1, "the other pairs stand in their own table"
    assert "is not told apart from " in found.sentence and "vamp" in found.sentence


def test_a_reference_is_what_every_sentence_is_about(tmp_path):
    means = {"standard_normal": -25.0, "flow": -20.0, "vamp": -30.0}
    found = said(tmp_path, means, Asked(reference="standard_normal"))
    assert found.sentence.startswith("flow is better than standard_normal by 5.0")
    assert re.search(r"; standard_normal is better than vamp by [45]\.\d+ \[", found.sentence)
    assert "flow is better than vamp" not in found.sentence


@pytest.mark.parametrize("measure", ["kl", "reconstruction"])
def test_a_higher_rate_is_not_called_better(tmp_path, measure):
    priors = {"standard_normal": -25.0, "flow": -20.0}
    runs = []
    for prior, mean in priors.items():
        for seed in (0, 1):
            values = mean + np.random.default_rng(seed).normal(0, 0.1, 50)
            extra = {"kl": -values}
            how = {"choices": {"prior": prior}, "seed": seed, "extra": extra}
            runs.append(read_run(make_run(tmp_path / f"{prior}{seed}", values, **how)))
    found = verdict(compare(runs, Asked(by=measure))[0])
    assert " is higher than " in found.sentence and "better" not in found.sentence


def test_one_setting_is_compared_with_nothing(tmp_path):
    assert "nothing is compared" in said(tmp_path, {"flow": -20.0}).sentence


def test_what_differs_in_several_options_is_a_setting(tmp_path):
    runs = [
        read_run(make_run(tmp_path / str(i), np.arange(9.0), latent_dim=i, choices={"prior": p}))
        for i, p in ((2, "flow"), (3, "vamp"), (4, "vamp"))
    ]
    assert "no setting is told apart" in verdict(compare(runs)[0]).sentence.lower()


def test_the_unit_is_said_once_in_a_sentence(tmp_path):
    means = {"flow": -20.0, "vamp": -25.0, "standard_normal": -30.0}
    found = said(tmp_path, means, Asked(reference="flow"))
    assert found.sentence.count(" than ") == 2
    assert found.sentence.count("nats of IWAE-100") == 1
