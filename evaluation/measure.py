"""Everything that is measured on one run."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from evaluation.blocks import blockwise, estimate_blockwise
from evaluation.bounds import Bounds
from evaluation.bracket import anneal, anneal_back, bracket_simulated
from evaluation.diagnostics import Diagnostics, calibration, classification, usage, weigh
from evaluation.gap import Gap, GapParts, gap_parts, with_encoder
from evaluation.integral import TooLong, integral
from evaluation.local_fit import LocalFits, deeper
from evaluation.plan import stages
from evaluation.rate_distortion import RateDistortion
from evaluation.result import Evaluation
from evaluation.stages import Stages
from evaluation.wanted import Wanted
from evidence import Annealing, Estimate, elbo_terms, iw_eubo, iwae
from evidence.batch import Batch
from evidence.estimate import Details, Quadrature
from evidence.exact import posterior_draw, tractable
from evidence.lower import Terms
from evidence.noise import forked
from evidence.progress import Loop
from evidence.recording import Calls, recorded
from evidence.reliability import Reliability
from evidence.usage import LatentUsage
from experiment import Run
from experiment.recipes.base import Pair

T = TypeVar("T")
# Is told what is known so far.
Tell = Callable[[Evaluation], None]


@dataclass(frozen=True)
class ExactPart(Details):
    """What an exact log-density is of."""

    of: str


def evaluate(
    run: Run, wanted: Wanted, stage: Stages | None = None, tell: Tell = lambda found: None
) -> Evaluation:
    """Measures `run` on the first `limit` data of a split; the same seed gives the same numbers.

    Arguments:
        run: What is measured.
        wanted: What is measured on it.
        stage: Shows stages, and keeps their results; nothing does so unless it is given.
        tell: Is told after every stage what is known so far.

    Raises:
        RequestError: The gap is wanted of a guide without an encoder.
    """
    if wanted.gap:
        with_encoder(run.guide)
    data = run.data(wanted.split)
    batch = Batch.of(data[: wanted.limit or len(data)])
    stage = stage or Stages()
    stage.expect([*stages(wanted, run.request, run.model, batch.size)])
    with recorded(wanted.compiles(batch.size)) as calls:
        found = _Measurement(run, Pair(run.model, run.guide), batch, wanted, stage, tell, calls)
        found.measure()
    return found.known()


@dataclass
class _Measurement:
    """An evaluation under way."""

    run: Run
    pair: Pair
    batch: Batch
    wanted: Wanted
    stages: Stages
    tell: Tell
    calls: Calls

    def stage(self, name: str, measure: Callable[[], T], *depends: object) -> T:
        """Returns what a stage finds, which depends on the data, too, or has found before."""

        def measured() -> T:
            eager = self.calls.why_eager
            result = measure()
            if self.calls.why_eager != eager:
                self.stages.note(f"ran eagerly: {self.calls.why_eager}")
            return result

        compiled = self.wanted.compiles(self.batch.size)
        return self.stages(name, measured, compiled, *self.batch, *depends)

    def measure(self) -> None:
        """Measures everything that is wanted; the noise is drawn in this order."""
        wanted, pair, batch = self.wanted, self.pair, self.batch
        torch.manual_seed(wanted.seed)
        self.terms = self.stage("elbo", self.elbo, wanted.elbo_particles)
        self.bounds = Bounds(self.terms.elbo)
        self.diagnostics = Diagnostics(
            RateDistortion(self.terms.kl, -self.terms.reconstruction, wanted.elbo_particles)
        )
        self.learn()
        iwae_of_all = self.stage("iwae", lambda: self.iwae(batch), wanted.particles)
        self.learn(replace(self.bounds, iwae=iwae_of_all))
        if wanted.exact != "off":
            self.learn(replace(self.bounds, exact=self.stage("exact", self.exact, wanted.exact)))
        if tractable(pair.model) is not None:
            upper = self.stage("upper", self.upper, wanted.elbo_particles)
            self.learn(replace(self.bounds, upper=upper))
        self.learn(replace(self.bounds, truth=self.truth()))
        weighed, used = self.stage("weights", self.weights, wanted.particles)
        split = self.run.data(wanted.split)
        self.learn(
            reliability=weighed, usage=used, classification=classification(pair, split, batch.size)
        )
        if wanted.annealing is not None:
            self.anneal(wanted.annealing, batch.first(wanted.annealed))
        if wanted.gap:
            self.gap()
        if wanted.simulations:
            count = wanted.simulations
            self.learn(
                calibration=self.stage(
                    "calibration", lambda: calibration(pair, batch, count), count
                )
            )

    def learn(self, bounds: Bounds | None = None, **diagnostics: object) -> None:
        """Adds what a stage has found, and tells it."""
        self.bounds = bounds or self.bounds
        self.diagnostics = replace(self.diagnostics, **diagnostics)  # type: ignore[arg-type]
        self.tell(self.known())

    def known(self) -> Evaluation:
        """Returns what is known so far."""
        return Evaluation(
            self.run,
            self.wanted.split,
            self.terms.reconstruction,
            self.terms.kl,
            self.bounds,
            hashlib.sha256(self.batch.x.cpu().numpy().tobytes()).hexdigest()[:16],
            self.diagnostics,
            list(self.stages.notes),
            tuple(self.stages.to_come),
        )

    def elbo(self) -> Terms:
        """Measures the two terms of the ELBO."""
        count = self.wanted.elbo_particles
        found = blockwise(lambda part: elbo_terms(*self.pair, part, count), self.batch)
        reconstruction = torch.cat([part.reconstruction for part in found])
        return Terms(reconstruction, torch.cat([part.kl for part in found]), count)

    def iwae(self, batch: Batch) -> Estimate:
        """Measures the importance-weighted bound."""
        count = self.wanted.particles
        return estimate_blockwise(lambda part: iwae(*self.pair, part, count), batch)

    def exact(self) -> Estimate | None:
        """Computes log p(x), where that is possible."""
        known = None
        try:
            known = integral(self.pair, self.batch, self.wanted.most_seconds)
        except TooLong as error:
            self.stages.note(f"no exact log p(x): {error}")
        except ArithmeticError as error:
            self.stages.note(
                f"no exact log p(x): the integral fits no box ({error}); the bounds stand in for it"
            )
        if known is not None and isinstance(known.details, Quadrature) and known.details.exceeding:
            self.stages.note(
                f"log p(x) of {known.details.exceeding} of {known.num_examples:,} data is not "
                f"within {known.details.tolerance:g} nats: one may be off by "
                f"{known.details.largest_error:.1g}",
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

        return estimate_blockwise(bound, Batch((*self.batch, values)))

    def truth(self) -> Estimate | None:
        """Computes the log-density that synthetic data have under their own law."""
        law = self.run.dataset.truth
        if law is None:
            return None
        values = law.log_prob(self.batch.x.double())
        return Estimate(values, "exact", details=ExactPart(of="the data's own law"))

    def weights(self) -> tuple[Reliability, LatentUsage | None]:
        """Measures how the weights of the first data are spread, and what their latents are for."""
        with Loop(loops=2):
            weighed = weigh(self.pair, self.batch, self.wanted.particles)
            return weighed, usage(self.pair, self.batch)

    def anneal(self, plan: Annealing, few: Batch) -> None:
        """Anneals the first data from both sides, and as many simulated ones."""
        pair, particles, seed = self.pair, self.wanted.particles, self.wanted.seed
        ais = self.stage("annealing", lambda: anneal(pair, few, plan), plan, few.size)
        self.learn(replace(self.bounds, ais=ais))
        simulated = self.stage(
            "simulated",
            lambda: bracket_simulated(pair, few, plan, particles),
            *(plan, few.size, particles),
        )
        self.learn(annealing=simulated)

        def back() -> Estimate:
            with forked(few.device, seed):  # what follows draws what it always has
                return anneal_back(pair, few, plan)

        above = self.stage("reverse-annealing", back, plan, few.size, seed)
        self.learn(replace(self.bounds, reverse_ais=above))

    def gap(self) -> None:
        """Measures the parts of the gap on the split, and on as many training data."""
        found: dict[str, GapParts] = {}
        for split in dict.fromkeys([self.wanted.split, "train"]):
            own = split == self.wanted.split
            data = self.batch if own else Batch.of(self.run.data(split)[: self.batch.size])
            parts = self.parts(split, data.first(self.wanted.gap), self.bounds if own else None)
            if parts is not None:
                found[split] = parts
            self.learn(gap=Gap(dict(found)) if found else None)

    def parts(self, split: str, batch: Batch, known: Bounds | None) -> GapParts | None:
        """Measures the parts of the gap of `batch`, of which `known` are the bounds."""
        wanted, guide, model = self.wanted, with_encoder(self.run.guide), self.run.model
        from_known = [] if known is None else [each.per_datum for _, each in known.items()]
        log_p = self.stage(
            f"gap-of-{split}",
            lambda: self.best_log_p(batch, known).first(batch.size),
            *(*batch, *from_known, wanted.exact, wanted.annealing, wanted.particles),
        )
        self.learn()

        def fitted() -> GapParts | None:
            fits = LocalFits(model, batch.x, wanted.fit)
            try:
                with Loop(loops=2):
                    return gap_parts(fits, guide, log_p, deeper(guide, batch.x))
            except ArithmeticError as error:
                self.stages.note(f"the gap on {split} data has no parts: {error}", "warning")
            return None

        return self.stage(f"fits-to-{split}", fitted, *batch, log_p.per_datum, log_p, wanted.fit)

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
