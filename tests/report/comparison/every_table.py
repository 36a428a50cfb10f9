"""Comparisons of every kind, of runs in memory whose numbers a test chooses."""

import math
from functools import cache
from pathlib import Path

import numpy as np

from report.comparison.comparing import Comparison, compare
from report.comparison.reading import Bits, EvaluatedRun, MeasuredData, Measurement
from report.comparison.request import Asked

PRIORS = ("flow", "vamp", "standard_normal", "mixture", "gamma", "made")
DIMENSIONS = 64


def run(elbo, seed=0, *, prior="flow", space="binary", name="digits", particles=100, **more):
    """An evaluated run: IWAE half a nat above the ELBO, and `more` quantities or facts."""
    elbo = np.asarray(elbo, dtype=np.float64)
    options = {"choices.data": name, "choices.prior": prior, "seed": seed}
    options |= more.pop("options", {})
    width, missing = more.pop("width", 0.0), more.pop("missing", ())
    start = more.pop("start", "prior")
    path = Path(more.pop("path", f"runs/{name}-{space}-{prior}-{seed}"))
    per_datum = {
        "elbo": elbo,
        "reconstruction": elbo + 3,
        "kl": 3 - elbo / 10,
        "iwae": elbo + 0.5,
        **more,
    }
    nats = {key: Measurement(float(v.mean()), num_examples=len(v)) for key, v in per_datum.items()}
    nats["iwae"] = Measurement(nats["iwae"].mean, particles=particles)
    if "ais" in nats:
        nats["ais"] = Measurement(nats["ais"].mean, particles=16, temperatures=1000, start=start)
    bits = Bits(-width - nats["iwae"].mean / (DIMENSIONS * math.log(2)), "iwae")
    data = MeasuredData(name, "test", space, space, len(elbo), DIMENSIONS, None)
    return EvaluatedRun(path, "test", options, seed, data, nats, bits, per_datum, missing)


def drawn(mean, number, seed, data=30, luck=0.1):
    """Values of the seed of a setting: some data are hard for every one."""
    own = np.random.default_rng([number, seed])
    hard = np.random.default_rng(9).normal(0, 5, data)
    return mean + hard + luck * own.normal() + own.normal(0, 0.3, data)


def settings(*means, seeds=3, data=30, luck=0.1, **how):
    """Runs of a prior for each mean; `seeds` may be a number for each."""
    each = [seeds] * len(means) if isinstance(seeds, int) else seeds
    return [
        run(drawn(mean, n, seed, data, luck), seed, prior=PRIORS[n], **how)
        for n, (mean, count) in enumerate(zip(means, each, strict=True))
        for seed in range(count)
    ]


def exact(runs, above=2.0):
    """The same runs with the exact log p(x), `above` their ELBO."""
    return [
        run(r.per_datum["elbo"], r.seed, prior=r.settings["choices.prior"],
            exact=r.per_datum["elbo"] + above + 0.1 * r.seed)
        for r in runs
    ]  # fmt: skip


def annealed(*starts):
    """Runs with AIS from these starts, a prior each."""
    return [
        run(v := drawn(-20.0 - n, n, seed), seed, prior=PRIORS[n], ais=v + 1, start=start)
        for n, start in enumerate(starts)
        for seed in range(2)
    ]


def several_options():
    means = {("flow", 2): -20.0, ("vamp", 2): -21.0, ("vamp", 3): -25.0}
    return [
        run(drawn(mean, n, seed), seed, prior=prior, options={"latent_dim": size})
        for n, ((prior, size), mean) in enumerate(means.items())
        for seed in range(2)
    ]


HOSTILE = r"a_b & 50% of $x$ #1 {\c} ~^|<>[*"
TWO_SPACES = [
    *settings(-900.0, -905.0, space="bytes"),
    *settings(-700.0, -704.0, space="unit", width=-4.0),
]
PAIRS = [*settings(-20.0, -25.0), *settings(-30.0, -31.0, -32.0, name="mnist")]
# What is compared, and what is asked.
KINDS: dict[str, tuple[list[EvaluatedRun], Asked]] = {
    "two": (settings(-20.0, -25.0), Asked()),
    "alike": (settings(-20.0, -20.01, -20.02, luck=0.5), Asked()),
    "some alike": (settings(-20.0, -20.01, -25.0, -27.0, -29.0, -31.0), Asked()),
    "all alike but one": (settings(*[-20.0 - n / 99 for n in range(5)], -30.0, luck=1.0), Asked()),
    "seeds of luck": (settings(-20.0, -20.4, -20.5, seeds=2, luck=1.5, data=200), Asked()),
    "a seed each": (settings(-20.0, -25.0, -25.01, seeds=1), Asked()),
    "a seed of one": (settings(-20.0, -25.0, seeds=[3, 1]), Asked()),
    "more seeds of one": (settings(-20.0, -20.5, -20.6, seeds=[2, 4, 3], luck=0.6), Asked()),
    "one": (settings(-20.0), Asked()),
    "one run": (settings(-20.0, seeds=1), Asked()),
    "one datum": (settings(-20.0, -25.0, data=1), Asked()),
    "one number each": (settings(-20.0, -25.0, data=1, seeds=1), Asked()),
    "the same numbers": (
        [run(np.full(5, -9.0), s, prior=p) for p in ("flow", "vamp") for s in (0, 1)], Asked(),
    ),
    "numbers without spread": (
        [run(np.full(5, v), s, prior=p) for p, v in (("flow", -9), ("vamp", -8)) for s in (0, 1)],
        Asked(),
    ),
    "reference": (settings(-20.0, -25.0, -25.1, -30.0), Asked(reference="vamp")),
    "as good as a reference": (settings(-20.0, -20.1, -20.2, luck=1.0), Asked(reference="vamp")),
    "reference of one table": (PAIRS, Asked(reference="standard_normal")),
    "reference among options": (several_options(), Asked(reference="vamp latent_dim=3")),
    "options": (several_options(), Asked()),
    "by the rate": (settings(-20.0, -25.0, -26.0), Asked(by="kl")),
    "exact": (exact(settings(-20.0, -25.0, -20.1)), Asked()),
    "exact of one": (exact(settings(-20.0, seeds=2)) + settings(-20.0, -25.0)[3:], Asked()),
    "annealed": (annealed("prior", "prior", "prior"), Asked()),
    "annealed otherwise": (annealed("prior", "guide"), Asked()),
    "columns": (settings(-20.0, -25.0), Asked(columns=("p", "elbo", "difference", "elbo"))),
    "no column of a difference": (settings(-20.0, -25.0), Asked(columns=("elbo", "seeds"))),
    "no column of a quantity": (settings(-20.0, -25.0), Asked(columns=("seeds", "p"))),
    "two data sets": (PAIRS, Asked()),
    "bits": (TWO_SPACES, Asked()),
    "efforts": (
        settings(-20.0) + settings(-20.0, -21.0, particles=1000)[3:], Asked(),
    ),
    "efforts as asked": (
        settings(-20.0) + settings(-20.0, -21.0, particles=1000)[3:], Asked(by="iwae"),
    ),
    "interrupted": (settings(-20.0, -25.0, missing=("ais", "exact")), Asked()),
    "hostile": (
        [run(drawn(-20.0 - n, n, s), s, prior=p) for n, p in enumerate((HOSTILE, "a|b"))
         for s in (0, 1)], Asked(),
    ),
    "long names": (
        [run(drawn(-20.0 - n, n, s), s, prior=p) for n, p in enumerate(("p" * 70, "q" * 90))
         for s in (0, 1)], Asked(),
    ),
}  # fmt: skip


@cache
def tables() -> list[Comparison]:
    """All tables of all of these."""
    return [one for runs, asked in KINDS.values() for one in compare(runs, asked)]
