"""What every diagnostic says in a sentence, and what helps where something is wrong.

Nothing is advised where all is well, and nothing that the run already has: `Situation` knows that.
"""

import math
from functools import singledispatch

from torch import Tensor

from evaluation.bracket import SimulatedBracket
from evaluation.diagnostics import Classification
from evaluation.gap import Gap, GapParts
from evaluation.measured import Measured, shown
from evaluation.notes import Note
from evaluation.rate_distortion import RateDistortion
from evaluation.result import Evaluation
from evidence.calibration import Calibration
from evidence.estimate import paired
from evidence.reliability import Reliability
from evidence.usage import LatentUsage
from report.names import latent_name, source_name
from report.situation import Situation, what_helps

# The share of data whose k̂ may be too high without a warning.
FEW = 0.05
# Nats between the bounds on simulated data beyond which annealing is called unfinished.
WIDE = 1.0
# Nats of rate below which the code is called empty.
COLLAPSED_RATE = 0.1
# Nats between q(z) and p(z) from which on prior samples are called unlike codes.
FAR = 0.5
# Nats below log N from which on the information in z is hardly underestimated by N data. What it
# lacks is counted as the distance of q(z) from the prior.
NEAR_CEILING = 1.0
# Nats of a part of the gap below which nothing is worth a change.
SMALL = 0.1
# Dimensions that a sentence lists; if there are more, dots follow.
MOST_NAMED = 6


def remarks(evaluation: Evaluation) -> list[Note]:
    """Returns all that is to be said of an evaluation, warnings first."""
    about = Situation.of(evaluation)
    explained = [explain(part, about) for part in evaluation.diagnostics.parts]
    found = [*evaluation.notes, *(note for note in explained if note is not None)]
    return sorted(found, key=lambda note: note.severity == "note")


@singledispatch
def explain(found: object, about: Situation) -> Note | None:
    """Returns what a diagnostic says, or None if the table says it all."""
    raise TypeError(f"nothing explains a {type(found).__name__}")


@explain.register
def _reliability(found: Reliability, about: Situation) -> Note:
    total, limit = len(found.pareto_k), f"{found.threshold:.2f}"
    if found.bad == 0:
        return Note(
            f"k̂ is below {limit} for every datum: no few weights decide the estimate, so IWAE can "
            "be trusted."
        )
    said = (
        f"k̂ is above {limit} for {round(found.bad * total)} of {total} data: there a few weights "
        "decide the estimate, and IWAE reads low"
    )
    if about.exact:
        return Note(f"{said}; log p(x) is exact, and does not rest on it.")
    if found.bad <= FEW:
        return Note(f"{said}.")
    ways = ("more particles (--particles)", about.richer_guide, about.annealing)
    return Note(said + what_helps(*ways), "warning")


@explain.register
def _bracket(found: SimulatedBracket, about: Situation) -> Note:
    width = Measured.of(found.bracket.gap)
    below = Measured.of(paired(found.bracket.lower, found.iwae))
    said = (
        f"On {width.num_examples} data simulated from the model, annealing from both sides leaves "
        f"log p(x) a gap of {width} nats, and IWAE-{found.iwae.particles} reads "
        f"{abs(below.mean):.2f} ± {shown(below.standard_error, 2)} nats "
        f"{'below' if below.mean >= 0 else 'above'} the lower side"
    )
    if about.exact:
        return Note(f"{said}.")
    ways = what_helps("more temperatures (--ais)", "more chains (--chains)")
    above = about.above_iwae
    if above is not None and above.mean < -2 * above.standard_error:
        lower = f"on {above.num_examples} real data AIS is {abs(above.mean):.2f} nats below IWAE"
        return Note(f"{said}; {lower}, which is the tighter bound there{ways}", "warning")
    if width.mean >= WIDE:
        return Note(f"{said}: too wide to rely on AIS{ways}", "warning")
    return Note(f"{said}: AIS is as near on real data, as far as they are like simulated ones.")


@explain.register
def _gap(found: Gap, about: Situation) -> Note:
    said = [
        f"on {parts.num_examples} {split} data {explain_parts(parts)}"
        for split, parts in found.by_split.items()
    ]
    ways = _gains(next(iter(found.by_split.values())), about)
    return Note(f"The gap, ± s.e., paired per datum: {'; '.join(said)}{what_helps(*ways)}")


def explain_parts(parts: GapParts) -> str:
    """Returns the parts of the gap with their errors, and what log p(x) was measured from."""
    how = source_name(parts.source)
    if parts.source != "exact":
        how = f"from {how}, a lower bound: the family's part reads low"
    family, encoder = Measured.of(parts.approximation), Measured.of(parts.amortization)
    return (
        f"{family} nats are the family's and {encoder} the encoder's{_richer(parts)} "
        f"(log p(x) {how}; ELBOs of {parts.same_family.particles} draws)"
    )


def _richer(parts: GapParts) -> str:
    """Returns what a richer family leaves of the gap."""
    if parts.richer_family is None:
        return ""
    left = parts.richer_approximation
    if left is None:
        return (
            "; a flow on top of the family has not converged (it ends below the family that it "
            "contains) and is not counted"
        )
    return f"; a flow on top of the family leaves {Measured.of(left)}"


def _gains(parts: GapParts, about: Situation) -> tuple[str, ...]:
    """Returns what makes the larger part smaller, if it is larger beyond two standard errors.

    A flow that was fitted on top of the family, and gained nothing, says that no guide helps.
    """
    family, encoder = parts.approximation, parts.amortization
    if _exceeds(encoder - family) and float(encoder.mean()) > SMALL:
        return "a larger encoder", about.longer_training
    left = parts.richer_approximation
    in_vain = left is not None and not _exceeds(family - left)
    if _exceeds(family - encoder) and float(family.mean()) > SMALL and not in_vain:
        return (about.richer_guide,)
    return ()


def _exceeds(difference: Tensor) -> bool:
    measured = Measured.of(difference)
    return measured.mean > 2 * measured.standard_error


@explain.register
def _rate_distortion(found: RateDistortion, about: Situation) -> Note | None:
    rate = Measured.of(found.rate)
    if rate.mean >= COLLAPSED_RATE:
        return None
    ways = (about.lighter_kl, about.longer_training)
    return Note(
        f"The rate is {rate} nats (± s.e., {rate.num_examples:,} data, {found.particles} draws "
        f"each): the code says next to nothing about x{what_helps(*ways)}",
        "warning",
    )


@explain.register
def _usage(found: LatentUsage, about: Situation) -> Note:
    used = f"{found.active_units} of {len(found.activity)} latent dimensions are in use"
    if found.collapsed:
        used += f" (unused: {_listed(found.collapsed)})"
    ceiling = f"log N = {math.log(found.num_examples):.2f}"
    if found.saturated:
        return Note(
            f"{used}; z tells {found.num_examples} data apart (I_q(x; z) ≈ {ceiling} nats)."
        )
    carried, apart = f"{found.mutual_information:.2f}", f"{found.marginal_kl:.2f}"
    if math.log(found.num_examples) - found.mutual_information < NEAR_CEILING:
        return Note(
            f"{used}; z carries at least {carried} nats about x (at most {ceiling} can be seen), "
            f"and q(z) is at most {apart} nats from the prior: more data would tell."
        )
    said = (
        f"{used}; z carries {carried} nats about x (at most {ceiling} can be seen), and q(z) is "
        f"{apart} nats from the prior"
    )
    if found.marginal_kl < FAR:
        return Note(f"{said}.")
    return Note(f"{said}, so prior samples are unlike codes{what_helps(about.learned)}")


@explain.register
def _calibration(found: Calibration, about: Situation) -> Note:
    *each, joint = (found.departure() > found.band()).tolist()
    outside = [dimension for dimension, leaves in enumerate(each) if leaves]
    ranks = f"Calibration: on {len(found.ranks)} simulated data the ranks of z*"
    ranks += f" among {found.draws} draws of q"
    band = f"the 99 % band of ±{found.band():.3f}"
    if not outside and not joint:
        return Note(
            f"{ranks} stay in {band}, in every dimension and for log p(x, z): "
            "no bias or wrong width shows."
        )
    if not outside:
        wrong = "log p(x, z) alone: q is right in each dimension, and not as a whole"
        return Note(f"{ranks} leave {band} for {wrong}{what_helps(about.richer_guide)}", "warning")
    where = f"{len(outside)} of {len(each)} dimensions ({_listed(outside)})"
    where += " and for log p(x, z)" if joint else ""
    ways = what_helps(about.richer_guide, about.longer_training)
    return Note(
        f"{ranks} leave {band} in {where}: q is biased or of the wrong width{ways}", "warning"
    )


@explain.register
def _classification(found: Classification, about: Situation) -> Note:
    share = Measured.of(100 * found.wrong)
    return Note(
        f"Classification by q(y|x): {share} % of {share.num_examples:,} labels are guessed wrong "
        "(± s.e.); log p(x) is over every label."
    )


def _listed(dimensions: list[int]) -> str:
    names = [latent_name("z", dimension) for dimension in dimensions[:MOST_NAMED]]
    return ", ".join(names) + (", …" if len(dimensions) > MOST_NAMED else "")
