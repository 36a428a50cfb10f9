"""What the diagnostics say of numbers that a test chooses, beside runs of every kind.

Nothing is advised where all is well, nothing that the run already has, and nothing that train.py
and evaluate.py would refuse.
"""

import itertools
import re
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data import Dataset
from evaluate import parser
from evaluation.bracket import SimulatedBracket
from evaluation.gap import Gap, GapParts
from evaluation.measured import Measured
from evaluation.rate_distortion import RateDistortion
from evidence import Estimate
from evidence.annealing import Bracket
from evidence.calibration import Calibration
from evidence.reliability import Reliability
from evidence.usage import LatentUsage
from experiment import choices
from experiment.build import build_data, build_pair
from report.explain import explain
from report.situation import Situation
from tests.choices import request

ONES = torch.ones(4, dtype=torch.float64)
NAMES = {"model": "vae", "prior": "standard_normal", "guide": "mean_field", "objective": "elbo"}
PLAIN = Situation(NAMES, {}, latent_dim=2, rising=True)
LEARNED = ("learned_normal", "mixture", "vamp", "flow")
# These refuse latents of more dimensions than their layers have units.
WIDE = {"flow", "iaf", "coupling"}
# Beside the default choices, the options of the objective that say how the KL is weighed.
OBJECTIVES = [(name, {}) for name in choices.names("objective")] + [
    ("beta", {"warmup_epochs": 20}),
    ("beta", {"weight": 4.0}),
]


def weights(k: list[float]) -> Reliability:
    return Reliability(torch.tensor(k).double(), ONES[:1].expand(len(k)), 1000)


def usage(activity: list[float], information: float = 4.8) -> LatentUsage:
    return LatentUsage(torch.tensor(activity).double(), 5.0, information, num_examples=1000)


def rate(nats: float) -> RateDistortion:
    return RateDistortion(nats * ONES, 20 * ONES, 100)


def bracket(upper: float, iwae: float) -> SimulatedBracket:
    both = Bracket(Estimate(ONES, "lower", 2), Estimate(upper * ONES, "upper", 2))
    return SimulatedBracket(both, Estimate(iwae * ONES, "lower", 64))


def gap(family: float, encoder: float, left: float | None = None) -> Gap:
    """The gap in its parts, of which a flow on top of the family leaves `left`."""
    values = [0, -family - encoder, -family] + ([] if left is None else [-left])
    return Gap({"test": GapParts(*(Estimate(value * ONES, "lower", 9) for value in values))})


def ranks(*columns: bool) -> Calibration:
    """Ranks that are uniform in the columns that are right, and all 0 in the others."""
    uniform = torch.arange(100).repeat(10)
    *each, joint = (uniform if right else torch.zeros_like(uniform) for right in columns)
    return Calibration(torch.stack(each, 1), joint, draws=99)


WELL = [
    weights([0.1, 0.2]),
    bracket(1.5, 0.5),
    gap(0.01, 0.02, 0.01),
    rate(5.0),
    usage([1.0, 1.0]),
    ranks(True, True, True),
]
ILL = [
    weights([0.1, 0.9]),
    bracket(4.0, 1.2),
    gap(2.0, 0.1),
    gap(2.0, 0.1, 2.0),
    gap(0.1, 2.0, 0.05),
    rate(0.05),
    usage([1.0, 0.0], information=1.0),
    ranks(True, True, False),
    ranks(False, True, True),
]


def situations() -> st.SearchStrategy[Situation]:
    """Runs of every choice of prior, guide and objective, with everything known of them."""
    above = st.sampled_from([None, Measured(0.5, 0.1, 8), Measured(-0.5, 0.1, 8)])
    return st.builds(
        lambda prior, guide, objective, **known: Situation(
            {"model": "vae", "prior": prior, "guide": guide, "objective": objective[0]},
            choices.defaults("objective", objective[0]) | objective[1],
            learned_prior=prior in LEARNED,
            **known,
        ),
        st.sampled_from(choices.names("prior")),
        st.sampled_from(choices.names("guide")),
        st.sampled_from(OBJECTIVES),
        latent_dim=st.sampled_from([1, 2, 10, 200]),
        exact=st.booleans(),
        rising=st.booleans(),
        above_iwae=above,
    ).filter(lambda about: about.latent_dim <= 64 or not WIDE & {*about.names.values()})


@settings(max_examples=100, phases=[Phase.generate])
@given(situations(), st.sampled_from(ILL))
def test_no_advice_contradicts_the_run(about: Situation, found: object) -> None:
    """Neither what it has, nor what is known of it; and what is advised can be had."""
    note = explain(found, about)
    text = "" if note is None else note.text
    assert text.endswith(".") and ".." not in text and "; ." not in text
    advice = text.partition("what helps: ")[2]
    for flag in re.findall(r"--[a-z-]+", advice):
        assert flag in flags()
    chosen = re.findall(r"([a-z_.]+)=(\w+)(?: or (\w+))?", advice)
    for option, *values in chosen:
        for value in filter(None, values):
            assert about.names.get(option) != value
    options = [[f"{option}={v}" for v in values if v] for option, *values in chosen]
    for asked in itertools.product(*options):
        assert builds(about.latent_dim, *_beside(about, asked))
    assert not (about.exact and re.search("--(particles|ais|chains)", advice))
    assert not (about.above_iwae is not None and "annealing" in advice)
    # In one dimension there is nothing to correlate: these are as rich as mean_field there.
    assert not (about.latent_dim == 1 and re.search("full_covariance|iaf|coupling", advice))
    assert not (about.learned_prior and "learned prior" in advice)
    assert not (not about.rising and "longer training" in advice)
    assert not (about.names["objective"] in ("free_bits", "iwae") and "KL" in advice)


def _beside(about: Situation, asked: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked for, beside the run's own choice where only an option of it is asked for."""
    axes = {word.partition("=")[0].partition(".")[0] for word in asked} & set(about.names)
    kept = axes - {word.partition("=")[0] for word in asked}
    return (*(f"{axis}={about.names[axis]}" for axis in sorted(kept)), *asked)


@cache
def flags() -> str:
    return parser().format_help()


@cache
def digits() -> Dataset:
    return build_data(request())


@cache
def builds(latent_dim: int, *words: str) -> bool:
    """Whether train.py would accept the request."""
    small = "network.width=8", "prior.components=5"
    few = small if "prior=vamp" in words or "prior=mixture" in words else small[:1]
    return bool(build_pair(request(f"latent_dim={latent_dim}", *few, *words), digits()))


@settings(max_examples=50)
@given(situations(), st.sampled_from(WELL))
def test_nothing_is_advised_where_all_is_well(about: Situation, found: object) -> None:
    note = explain(found, replace(about, above_iwae=None))
    assert note is None or (note.severity == "note" and "what helps" not in note.text)


@pytest.mark.parametrize(
    "found", [found for found in ILL if not isinstance(found, Gap | LatentUsage)]
)
def test_what_is_wrong_is_a_warning_that_says_what_helps(found: object) -> None:
    note = explain(found, PLAIN)
    assert note is not None and note.severity == "warning" and "what helps: " in note.text


@pytest.mark.parametrize("found", [weights([0.1, 0.9]), bracket(4.0, 1.2)])
def test_bounds_are_no_worry_beside_the_exact_value(found: object) -> None:
    note = explain(found, replace(PLAIN, exact=True))
    assert note is not None and note.severity == "note" and "what helps" not in note.text


def test_a_few_data_with_a_large_k_are_counted_without_a_warning() -> None:
    few, many = explain(weights([0.1] * 95 + [0.9] * 5), PLAIN), explain(weights([0.9] * 6), PLAIN)
    assert "for 5 of 100 data" in few.text and few.severity == "note"
    assert "for 6 of 6 data" in many.text and many.severity == "warning"


def test_annealing_below_iwae_on_real_data_is_said_though_the_bracket_is_narrow() -> None:
    about = replace(PLAIN, above_iwae=Measured(-0.5, 0.1, 8))
    note = explain(bracket(1.5, 0.5), about)
    assert note.severity == "warning" and "on 8 real data AIS is 0.50 nats below IWAE" in note.text
    within = replace(PLAIN, above_iwae=Measured(-0.5, 0.3, 8))
    assert explain(bracket(1.5, 0.5), within).severity == "note"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (usage([1.0, 1.0, 0.0]), "2 of 3 latent dimensions are in use (unused: z₃); z carries"),
        (usage([1.0, 1.0]), "2 of 2 latent dimensions are in use; z carries 4.80 nats about x"),
        (usage([1.0], information=6.2), "at least 6.20 nats about x"),
        (usage([1.0], information=6.9), "z tells 1000 data apart"),
        (usage([0.0] * 8), "(unused: z₁, z₂, z₃, z₄, z₅, z₆, …)"),
        (usage([1.0], information=1.0), "unlike codes; what helps: a learned prior"),
        (ranks(True, True, False), "for log p(x, z) alone"),
        (ranks(True, False, True), "in 1 of 2 dimensions (z₂): q is biased"),
        (ranks(False, False, False), "in 2 of 2 dimensions (z₁, z₂) and for log p(x, z): q is"),
        (bracket(1.5, 0.5), "a gap of 0.50 ± 0.00 nats, and IWAE-64 reads 0.50 ± 0.00 nats below"),
        (bracket(4.0, 1.2), "a gap of 3.00 ± 0.00 nats, and IWAE-64 reads 0.20 ± 0.00 nats above"),
        (bracket(4.0, 1.2), "On 4 data simulated"),
    ],
)
def test_sentences_name_what_they_are_about(found: object, words: str) -> None:
    note = explain(found, PLAIN)
    assert note is not None and words in note.text


def test_what_is_no_diagnostic_is_refused() -> None:
    with pytest.raises(TypeError, match="nothing explains a list"):
        explain([], PLAIN)
