"""Everything that is measured on one run."""

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from evaluation.blocks import blockwise, estimate_blockwise
from evaluation.bounds import Bounds
from evaluation.bracket import SimulatedBracket, anneal, anneal_back, bracket_simulated
from evaluation.diagnostics import Diagnostics, calibration, usage, weigh
from evaluation.gap import Gap, GapParts, gap_parts, with_encoder
from evaluation.integral import MOST_SECONDS, TooLong, integral
from evaluation.local_fit import Fit, LocalFits, deeper
from evaluation.notes import Note, Severity
from evaluation.rate_distortion import RateDistortion
from evaluation.result import Evaluation
from evidence import Annealing, Estimate, elbo_terms, iw_eubo, iwae
from evidence.batch import Batch
from evidence.estimate import Details, Quadrature
from evidence.exact import posterior_draw
from evidence.lower import Terms
from evidence.noise import forked
from evidence.recording import recorded
from experiment import Run
from experiment.recipes.base import Pair
from inference.fast.compile_choice import has_compiler

# Decoder rows from which compiling (some 20 s the first time) saves time: docs/performance.md.
COMPILED_FROM = 10_000_000
# Passes of annealing: it is tuned and run, on data and on simulated data, forwards and backwards.
PASSES = 6


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. Annealing, gap and calibration take long; None or 0 leaves them out.

    Annealing is done on the first `annealed` data, and from both sides on as many simulated ones.
    The parts of the gap are measured on the first `gap` data of `split` and of the training split,
    by `fit`. The calibration of the guide is measured on `simulations` simulated data. `exact` says
    whether log p(x) is integrated: `auto` does so where that takes no more than MOST_SECONDS.
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
    compile: Literal["auto", "on", "off"] = "auto"
    exact: Literal["auto", "on", "off"] = "auto"

    @property
    def most_seconds(self) -> float:
        """How long an integral may take."""
        return MOST_SECONDS if self.exact == "auto" else math.inf

    def rows(self, count: int) -> int:
        """Returns about how many rows the decoder is going to see for `count` data."""
        plan, annealed = self.annealing, min(count, self.annealed)
        a_pass = plan.temperatures * plan.chains * plan.leapfrogs * annealed if plan else 0
        return count * (self.particles + self.elbo_particles) + PASSES * a_pass

    def compiles(self, count: int) -> bool:
        """Returns whether inner loops are to be compiled for `count` data."""
        if self.compile == "auto":
            return has_compiler() and self.rows(count) >= COMPILED_FROM
        return self.compile == "on"


@dataclass(frozen=True)
class ExactPart(Details):
    """What an exact log-density is of."""

    of: str


def evaluate(run: Run, wanted: Wanted) -> Evaluation:
    """Measures `run` on the first `limit` data of a split; the same seed gives the same numbers.

    Raises:
        RequestError: The gap is wanted of a guide without an encoder.
    """
    if wanted.gap:
        with_encoder(run.guide)
    data = run.data(wanted.split)
    batch = Batch.of(data[: wanted.limit or len(data)])
    with recorded(wanted.compiles(batch.size)) as calls:
        found = _Measurement(run, Pair(run.model, run.guide), batch, wanted).evaluation()
    if calls.why_eager:
        return replace(found, notes=[*found.notes, Note(f"ran eagerly: {calls.why_eager}")])
    return found


@dataclass
class _Measurement:
    """An evaluation under way. `notes` say what could not be measured, and why."""

    run: Run
    pair: Pair
    batch: Batch
    wanted: Wanted
    notes: list[Note] = field(default_factory=list)

    def evaluation(self) -> Evaluation:
        """Measures everything that is wanted; the noise is drawn in this order."""
        wanted, batch = self.wanted, self.batch
        torch.manual_seed(wanted.seed)
        terms = self.terms()
        bounds = self.bounds(terms)
        reliability, used = weigh(self.pair, batch, wanted.particles), usage(self.pair, batch)
        bounds, bracket = self.annealed(bounds)
        gap = self.gap(bounds)
        diagnostics = Diagnostics(
            reliability,
            used,
            RateDistortion(terms.kl, -terms.reconstruction, wanted.elbo_particles),
            bracket,
            gap,
            calibration(self.pair, batch, wanted.simulations) if wanted.simulations else None,
        )
        return Evaluation(
            self.run,
            wanted.split,
            terms.reconstruction,
            terms.kl,
            bounds,
            hashlib.sha256(batch.x.cpu().numpy().tobytes()).hexdigest()[:16],
            diagnostics,
            self.notes,
        )

    def note(self, text: str, severity: Severity = "note") -> None:
        """Adds a sentence about what could not be measured."""
        self.notes.append(Note(text, severity))

    def terms(self) -> Terms:
        """Measures the two terms of the ELBO."""
        count = self.wanted.elbo_particles
        found = blockwise(lambda part: elbo_terms(*self.pair, part, count), self.batch, "ELBO")
        reconstruction = torch.cat([part.reconstruction for part in found])
        return Terms(reconstruction, torch.cat([part.kl for part in found]), count)

    def bounds(self, terms: Terms) -> Bounds:
        """Measures every estimate of log p(x) but annealing."""
        iwae_estimate = self.iwae(self.batch)
        return Bounds(terms.elbo, iwae_estimate, self.exact(), self.upper(), self.truth())

    def iwae(self, batch: Batch) -> Estimate:
        """Measures the importance-weighted bound."""
        count = self.wanted.particles
        return estimate_blockwise(
            lambda part: iwae(*self.pair, part, count), batch, f"IWAE-{count}"
        )

    def exact(self) -> Estimate | None:
        """Computes log p(x), where that is possible."""
        known = None
        try:
            if self.wanted.exact != "off":
                known = integral(self.pair, self.batch, self.wanted.most_seconds)
        except TooLong as error:
            self.note(f"no exact log p(x): {error}")
        except ArithmeticError as error:
            self.note(
                f"no exact log p(x): the integral fits no box ({error}); the bounds stand in for it"
            )
        if known is not None and isinstance(known.details, Quadrature) and known.details.exceeding:
            self.note(
                f"log p(x) of {known.details.exceeding} of {known.num_examples:,} data is not "
                f"within {known.details.tolerance:g} nats: the last halving of the grid still "
                f"changed one by {known.details.largest_error:.1g}",
                "warning",
            )
        return known

    def upper(self) -> Estimate | None:
        """Measures the upper bound IW-EUBO, where the posterior of the data can be drawn from."""
        count, drawn = self.wanted.elbo_particles, posterior_draw(self.run.model, self.batch)
        if drawn is None:
            return None
        ((site, values),) = drawn.items()

        def bound(part: Batch) -> Estimate:
            *columns, z = part
            return iw_eubo(*self.pair, Batch(columns), {site: z}, count)

        return estimate_blockwise(bound, Batch((*self.batch, values)), "EUBO")

    def truth(self) -> Estimate | None:
        """Computes the log-density that synthetic data have under their own law."""
        law = self.run.dataset.truth
        if law is None:
            return None
        values = law.log_prob(self.batch.x.double())
        return Estimate(values, "exact", details=ExactPart(of="the data's own law"))

    def annealed(self, bounds: Bounds) -> tuple[Bounds, SimulatedBracket | None]:
        """Anneals the first data, and as many simulated ones from both sides, if that is wanted."""
        plan = self.wanted.annealing
        if plan is None:
            return bounds, None
        few = self.batch.first(self.wanted.annealed)
        bounds = replace(bounds, ais=anneal(self.pair, few, plan))
        simulated = bracket_simulated(self.pair, few, plan, self.wanted.particles)
        with forked(few.device, self.wanted.seed):  # what follows draws what it always has
            bounds = replace(bounds, reverse_ais=anneal_back(self.pair, few, plan))
        return bounds, simulated

    def gap(self, bounds: Bounds) -> Gap | None:
        """Measures the parts of the gap on the split, and on as many training data."""
        if not self.wanted.gap:
            return None
        found: dict[str, GapParts] = {}
        for split in dict.fromkeys([self.wanted.split, "train"]):
            own = split == self.wanted.split
            data = self.batch if own else Batch.of(self.run.data(split)[: self.batch.size])
            try:
                found[split] = self.parts(data.first(self.wanted.gap), bounds if own else None)
            except ArithmeticError as error:
                self.note(f"the gap on {split} data has no parts: {error}", "warning")
        return Gap(found) if found else None

    def parts(self, batch: Batch, known: Bounds | None) -> GapParts:
        """Measures the parts of the gap of `batch`, of which `known` are the bounds."""
        log_p = self.best_log_p(batch, known).first(batch.size)
        guide = with_encoder(self.run.guide)
        fits = LocalFits(self.run.model, batch.x, self.wanted.fit)
        return gap_parts(fits, guide, log_p, deeper(guide, batch.x))

    def best_log_p(self, batch: Batch, known: Bounds | None) -> Estimate:
        """Returns the exact log p(x) if it can be had, or else the higher of AIS and IWAE.

        The choice is one for all data: to choose for each datum would be to choose by noise.
        """
        value = None if known is None else known.exact
        if known is None and self.wanted.exact != "off":
            with suppress(ArithmeticError):  # the bounds stand in for it
                value = integral(self.pair, batch, self.wanted.most_seconds)
        if value is not None:
            return value
        ais = None if known is None else known.ais
        if self.wanted.annealing and (ais is None or ais.num_examples < batch.size):
            ais = anneal(self.pair, batch, self.wanted.annealing)
        iwae_estimate = self.iwae(batch) if known is None else known.iwae
        found = [estimate for estimate in (ais, iwae_estimate) if estimate is not None]
        return max(found, key=lambda estimate: estimate.first(batch.size).mean)
