"""Annealed importance sampling on real data, and from both sides of log p(x) on data simulated from the model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from evaluation.blocks import estimate_blockwise
from evidence import Annealing, Estimate, ais, iwae, reverse_ais, simulate
from evidence.annealing import Bracket
from evidence.estimate import measured, paired
from evidence.weights import as_batch

Program = Callable[..., Any]
BLOCK = 50
"""Data annealed at once: each with all its chains."""
WIDE = 1.0
"""Nats between the bounds beyond which annealing is called unfinished."""


@dataclass(frozen=True)
class Calibration:
    """All bounds on log p(x) of the same data, simulated from the model: how far each is from the truth there."""

    bracket: Bracket
    iwae: Estimate

    def explain(self) -> str:
        """How wide the bracket is, where IWAE is in it, and what to do."""
        gap, below = measured(self.bracket.gap), measured(paired(self.bracket.lower, self.iwae))
        where = f"{abs(below['mean']):.2f} ± {below['se']:.2f} nats {'below' if below['mean'] >= 0 else 'above'}"
        advice = (
            "AIS on real data is that near to log p(x), as far as they are like simulated data"
            if gap["mean"] < WIDE
            else "too wide: take more temperatures (--ais) or chains"
        )
        return (
            f"On {gap['num_examples']} data simulated from the model, annealing from both sides leaves log p(x) a gap of "
            f"{gap['mean']:.2f} ± {gap['se']:.2f} nats ({advice}); IWAE-{self.iwae.particles} reads {where} its lower side."
        )

    def summary(self) -> dict[str, Any]:
        """Plain values for evaluation.json; differences are paired per simulated datum."""
        lower, upper = self.bracket.lower, self.bracket.upper
        return {
            "simulated": {
                "ais": lower.summary(),
                "reverse_ais": upper.summary(),
                "iwae": self.iwae.summary(),
                "gap": measured(self.bracket.gap),
                "iwae_below_ais": measured(paired(lower, self.iwae)),
                "iwae_below_reverse_ais": measured(paired(upper, self.iwae)),
            }
        }


def anneal(model: Program, guide: Program, batch: tuple[Tensor, ...], plan: Annealing) -> Estimate:
    """A lower bound on log p(x) for every datum of `batch`."""
    return estimate_blockwise(lambda part: ais(model, guide, part, plan), batch, _name(plan), BLOCK)


def calibrate(
    model: Program, guide: Program, like: tuple[Tensor, ...], plan: Annealing, particles: int
) -> Calibration:
    """Bounds from both sides on as many simulated data as `like` has rows (bidirectional Monte Carlo, Grosse et al. 2015)."""
    simulated, latents = simulate(model, guide, like)
    x = as_batch(simulated)
    names = list(latents)

    def backward(part: tuple[Tensor, ...]) -> Estimate:
        data, drawn = part[: len(x)], part[len(x) :]
        return reverse_ais(model, guide, data, dict(zip(names, drawn, strict=True)), plan)

    upper = estimate_blockwise(backward, (*x, *latents.values()), f"reverse {_name(plan)}", BLOCK)
    below = estimate_blockwise(
        lambda part: iwae(model, guide, part, particles), x, f"IWAE-{particles}"
    )
    return Calibration(Bracket(anneal(model, guide, x, plan), upper), below)


def _name(plan: Annealing) -> str:
    return f"AIS-{plan.temperatures}"
