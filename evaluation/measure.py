"""Everything that evaluate.py measures on one run."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import torch
from torch import Tensor

from evaluation import bracket
from evaluation.blocks import blockwise, estimate_blockwise
from evaluation.bounds import Bounds
from evaluation.diagnostics import Diagnostics, RateDistortion, usage, weigh
from evaluation.gap import Fit
from evaluation.result import Evaluation
from evaluation.splits import Split, Splits, check_splittable, split
from evidence import Annealing, Estimate, elbo_terms, exact, iw_eubo, iwae
from evidence.diagnostics import Calibration, simulation_based_calibration
from evidence.estimate import Details, Quadrature
from evidence.exact import posterior_draw
from evidence.recording import recorded
from evidence.weights import as_batch, repeat_rows
from experiment import Run
from guides.amortized import Amortized
from inference.fast.compile_choice import has_compiler

COMPILED_FROM = 10_000_000
"""Decoder rows from which compiling (some 20 s the first time) saves time: docs/performance.md."""
PASSES = 6
"""Of annealing: tuned and run, on data, on simulated data, and backwards."""


@dataclass(frozen=True)
class Law(Details):
    """log p(x) under the law that synthetic data were drawn from."""

    of: str


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. The last five take long: None or 0 leaves them out.

    `annealing` on the first `annealed` data, and from both sides on as many simulated ones; the gap of the first `gap` data
    of `split` and of the training split, split by `fit`; the guide's calibration on `simulations` simulated data.
    """

    split: str = "test"
    particles: int = 5000
    elbo_particles: int = 100
    limit: int | None = None
    seed: int = 0
    annealing: Annealing | None = None
    annealed: int = 100
    gap: int = 0
    fit: Fit = field(default_factory=Fit)
    simulations: int = 0
    compile: str = "auto"

    def rows(self, count: int) -> int:
        """Rows that the decoder is going to see for `count` data, about."""
        plan, annealed = self.annealing, min(count, self.annealed)
        a_pass = plan.temperatures * plan.chains * plan.leapfrogs * annealed if plan else 0
        return count * (self.particles + self.elbo_particles) + PASSES * a_pass

    def compiles(self, count: int) -> bool:
        """Whether inner loops are to be compiled."""
        return self.compile == "on" or (
            self.compile == "auto" and has_compiler() and self.rows(count) >= COMPILED_FROM
        )


def evaluate(run: Run, wanted: Wanted) -> Evaluation:
    """Measure `run` on the first `limit` examples of a split; the same seed gives the same numbers."""
    if wanted.gap:
        check_splittable(run.guide)
    batch = as_batch(run.data(wanted.split)[: wanted.limit or len(run.data(wanted.split))])
    with recorded(wanted.compiles(len(batch[0]))) as calls:
        measured = _evaluate(run, batch, wanted)
    return replace(
        measured,
        notes=[*measured.notes, *(f"ran eagerly: {why}" for why in [calls.why_eager] if why)],
    )


def _evaluate(run: Run, batch: tuple[Tensor, ...], wanted: Wanted) -> Evaluation:
    torch.manual_seed(wanted.seed)
    bounds: dict[str, Estimate] = {}
    notes: list[str] = []
    terms = blockwise(
        lambda part: elbo_terms(run.model, run.guide, part, wanted.elbo_particles), batch, "ELBO"
    )
    reconstruction, kl = (
        torch.cat([t.reconstruction for t in terms]),
        torch.cat([t.kl for t in terms]),
    )
    bounds["elbo"] = Estimate(reconstruction - kl, "lower", wanted.elbo_particles)
    bounds["iwae"] = _iwae(run, batch, wanted)
    known, note = _exact(run, batch)
    notes += note
    if known is not None:
        bounds["exact"] = known
    upper = _upper(run, batch, wanted)
    if upper is not None:
        bounds["upper"] = upper
    if run.dataset.truth is not None:
        bounds["truth"] = Estimate(
            run.dataset.truth.log_prob(batch[0].double()),
            "exact",
            details=Law("the data's own law"),
        )
    weighed, used = (
        weigh(run.model, run.guide, batch, wanted.particles),
        usage(run.model, run.guide, batch),
    )
    annealing = None
    if wanted.annealing is not None:
        few = tuple(part[: wanted.annealed] for part in batch)
        bounds["ais"] = bracket.anneal(run.model, run.guide, few, wanted.annealing)
        annealing = bracket.calibrate(run.model, run.guide, few, wanted.annealing, wanted.particles)
    gap, unsplit = _gap(run, batch, bounds, wanted)
    notes += unsplit
    diagnostics = Diagnostics(
        weighed,
        used,
        RateDistortion(kl, -reconstruction, wanted.elbo_particles),
        annealing,
        gap,
        _calibration(run, batch, wanted.simulations) if wanted.simulations else None,
    )
    fingerprint = hashlib.sha256(batch[0].cpu().numpy().tobytes()).hexdigest()[:16]
    return Evaluation(
        run, wanted.split, reconstruction, kl, Bounds(**bounds), fingerprint, diagnostics, notes
    )


def _iwae(run: Run, batch: tuple[Tensor, ...], wanted: Wanted) -> Estimate:
    count = wanted.particles
    return estimate_blockwise(
        lambda part: iwae(run.model, run.guide, part, count), batch, f"IWAE-{count}"
    )


def _exact(run: Run, batch: tuple[Tensor, ...]) -> tuple[Estimate | None, list[str]]:
    """log p(x) where it can be had, and what has to be said about it."""
    try:
        known = exact(run.model, run.guide, batch)
    except ArithmeticError as error:
        return None, [
            f"no exact log p(x): the integral fits no box ({error}); the bounds stand in for it"
        ]
    details = None if known is None else known.details
    if known is None or not isinstance(details, Quadrature) or not details.exceeding:
        return known, []
    return known, [
        f"log p(x) of {details.exceeding} of {known.num_examples:,} data is not within {details.tolerance:g} nats: the last "
        f"halving of the grid still changed one by {details.largest_error:.1g}"
    ]


def _upper(run: Run, batch: tuple[Tensor, ...], wanted: Wanted) -> Estimate | None:
    """IW-EUBO, where the posterior of the data themselves can be drawn from."""
    drawn = posterior_draw(run.model, batch)
    if drawn is None:
        return None

    def bound(part: tuple[Tensor, ...]) -> Estimate:
        return iw_eubo(run.model, run.guide, part[:-1], {"z": part[-1]}, wanted.elbo_particles)

    return estimate_blockwise(bound, (*batch, drawn["z"]), "EUBO")


def _gap(
    run: Run, batch: tuple[Tensor, ...], bounds: dict[str, Estimate], wanted: Wanted
) -> tuple[Splits | None, list[str]]:
    """On the first data of the split that is measured, and on as many training data; and why not, where it cannot be had."""
    found, notes = {}, []
    for name in dict.fromkeys([wanted.split, "train"]) if wanted.gap else ():
        measured = batch if name == wanted.split else as_batch(run.data(name)[: len(batch[0])])
        few = tuple(part[: wanted.gap] for part in measured)
        try:
            found[name] = _split(run, few, bounds if name == wanted.split else {}, wanted)
        except ArithmeticError as error:
            notes.append(f"the gap on {name} data is not split: {error}")
    return Splits(found) if found else None, notes


def _split(
    run: Run, batch: tuple[Tensor, ...], bounds: dict[str, Estimate], wanted: Wanted
) -> Split:
    """With the best log p(x) that there is, from `bounds` as far as they reach: exact, else the higher of AIS and IWAE (one of
    them for all data: to choose for each would choose by noise).
    """
    count = len(batch[0])
    ways: dict[str, Callable[[], Estimate | None]] = {
        "exact": lambda: None if bounds else _exact(run, batch)[0],
        "ais": lambda: (
            bracket.anneal(run.model, run.guide, batch, wanted.annealing)
            if wanted.annealing
            else None
        ),
        "iwae": lambda: _iwae(run, batch, wanted),
    }
    found: dict[str, Estimate] = {}
    for source, measure in ways.items():
        known = (
            bounds[source]
            if source in bounds and bounds[source].num_examples >= count
            else measure()
        )
        if known is not None:
            found[source] = known
        if "exact" in found:
            break
    source = max(found, key=lambda name: float(found[name].per_datum[:count].mean()))
    return split(run.model, cast(Amortized, run.guide), batch[0], found[source], source, wanted.fit)


def _calibration(run: Run, batch: tuple[Tensor, ...], simulations: int) -> Calibration:
    """The data are taken over and over where there are fewer than simulations: only their number and labels matter."""
    like = tuple(repeat_rows(part, -(-simulations // len(part)))[:simulations] for part in batch)
    return simulation_based_calibration(run.model, run.guide, like)
