"""What every diagnostic says in a sentence, with what to do about a bad value."""

import math
from functools import singledispatch

from evaluation.bracket import SimulatedBracket
from evaluation.gap import Gap, GapParts
from evaluation.measured import Measured, shown
from evaluation.rate_distortion import RateDistortion
from evidence.calibration import Calibration
from evidence.estimate import paired
from evidence.reliability import Reliability
from evidence.usage import LatentUsage

# What the estimates of log p(x) are called that a gap can be measured from.
SOURCES = {"exact": "exact", "ais": "AIS", "iwae": "IWAE"}
# Nats between the bounds on simulated data beyond which annealing is called unfinished.
WIDE = 1.0
# Nats of rate below which the code is called empty.
COLLAPSED_RATE = 0.1
# Dimensions that a sentence lists; if there are more, dots follow.
MOST_NAMED = 6


@singledispatch
def explain(found: object) -> str:
    """Returns one sentence about a diagnostic."""
    raise TypeError(f"nothing explains a {type(found).__name__}")


@explain.register
def _reliability(found: Reliability) -> str:
    if found.bad == 0:
        return (
            f"k̂ is below {found.threshold:.2f} for every datum: no few weights decide the "
            "estimate, so IWAE can be trusted."
        )
    return (
        f"k̂ is above {found.threshold:.2f} for {found.bad:.0%} of the data: there a few weights "
        "decide the estimate, and IWAE reads low; take more particles, a richer guide, or "
        "annealing."
    )


@explain.register
def _bracket(found: SimulatedBracket) -> str:
    width = Measured.of(found.bracket.gap)
    below = Measured.of(paired(found.bracket.lower, found.iwae))
    side = "below" if below.mean >= 0 else "above"
    advice = (
        "AIS is as near to log p(x) on real data, as far as they are like simulated ones"
        if width.mean < WIDE
        else "too wide: take more temperatures (--ais) or chains"
    )
    return (
        f"On {width.num_examples} data simulated from the model, annealing from both sides leaves "
        f"log p(x) a gap of {width} nats ({advice}); IWAE-{found.iwae.particles} reads "
        f"{abs(below.mean):.2f} ± {shown(below.standard_error, 2)} nats {side} the lower side."
    )


@explain.register
def _gap(found: Gap) -> str:
    said = [
        f"on {parts.num_examples} {split} data {explain_parts(parts)}"
        for split, parts in found.by_split.items()
    ]
    return f"The gap, ± s.e., paired per datum: {'; '.join(said)}."


def explain_parts(parts: GapParts) -> str:
    """Returns the parts of the gap with their errors, what would gain most, and the source."""
    how = (
        "exact"
        if parts.source == "exact"
        else f"from {SOURCES[parts.source]}, a lower bound: the family's part reads low"
    )
    family, encoder = Measured.of(parts.approximation), Measured.of(parts.amortization)
    return (
        f"{family} nats are the family's and {encoder} the encoder's, so {_advice(parts)}"
        f"{_richer(parts)} (log p(x) {how}; ELBOs of {parts.same_family.particles} draws)"
    )


def _advice(parts: GapParts) -> str:
    """Returns what to change: the larger part, if it is larger beyond two standard errors."""
    difference = Measured.of(parts.amortization - parts.approximation)
    if not abs(difference.mean) > 2 * difference.standard_error:
        return "neither is clearly the larger"
    if difference.mean > 0:
        return "a larger encoder or longer training gains most"
    return "a richer guide family gains most"


def _richer(parts: GapParts) -> str:
    """Returns what a richer family leaves of the gap, as the end of a sentence."""
    if parts.richer_family is None:
        return ""
    left = parts.richer_approximation
    if left is None:
        return (
            "; a flow on top of the family has not converged (it ends below the family that it "
            "contains) and is not counted"
        )
    return f"; a flow on top of the family leaves {Measured.of(left)}"


@explain.register
def _rate_distortion(found: RateDistortion) -> str:
    rate, distortion = Measured.of(found.rate), Measured.of(found.distortion)
    advice = (
        "the code says next to nothing: see whether the latents have collapsed"
        if rate.mean < COLLAPSED_RATE
        else "more of the one buys less of the other at the same ELBO (objective=beta moves along)"
    )
    return (
        f"Rate {rate}, distortion {distortion} nats (± s.e., {rate.num_examples:,} data, "
        f"{found.particles} draws each; their sum −ELBO is an upper bound on −log p(x)): {advice}."
    )


@explain.register
def _usage(found: LatentUsage) -> str:
    used = f"{found.active_units} of {len(found.activity)} latent dimensions are in use"
    if found.collapsed:
        names = _listed([str(dimension) for dimension in found.collapsed])
        used += f" (unused: {names}; take fewer, or weigh the KL less early in training)"
    ceiling = f"log N = {math.log(found.num_examples):.2f}"
    if found.saturated:
        return f"{used}; z tells {found.num_examples} data apart (I_q(x; z) ≈ {ceiling} nats)."
    return (
        f"{used}; z carries {found.mutual_information:.2f} nats about x (at most {ceiling} can be "
        f"seen), q(z) is {found.marginal_kl:.2f} nats from the prior: if that is much, prior "
        "samples are unlike codes; learn the prior."
    )


@explain.register
def _calibration(found: Calibration) -> str:
    *each, joint = (found.departure() > found.band()).tolist()
    outside = [str(dimension) for dimension, leaves in enumerate(each) if leaves]
    ranks = f"Calibration: on {len(found.ranks)} simulated data the ranks of z*"
    ranks += f" among {found.draws} draws of q"
    band = f"the 99 % band of ±{found.band():.3f}"
    if not outside and not joint:
        return (
            f"{ranks} stay in {band}, in every dimension and for log p(x, z): "
            "no bias or wrong width shows."
        )
    if not outside:
        return (
            f"{ranks} leave {band} for log p(x, z) alone: q is right in each dimension but not in "
            "how they hang together; take a guide with correlations."
        )
    where = f"{len(outside)} of {len(each)} dimensions ({_listed(outside)})"
    where += " and for log p(x, z)" if joint else ""
    return (
        f"{ranks} leave {band} in {where}: q is biased or of the wrong width; "
        "take a richer guide or train longer."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
