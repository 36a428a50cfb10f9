"""What a run already has, and so what can still be advised to its reader."""

from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.measured import Measured
from evaluation.result import Evaluation
from evidence.estimate import paired
from experiment.choices import Option
from experiment.request import lighter_kl

# Guides that contain a given one, from the least to the richest.
RICHER = {
    "mean_field": ("full_covariance", "iaf"),
    "low_rank": ("full_covariance", "iaf"),
    "full_covariance": ("iaf", "coupling"),
    "planar": ("iaf", "coupling"),
}
# Flows have hidden layers of 128 units, which must be at least as many as z has dimensions.
WIDEST_OF_A_FLOW = 128
# The share of the epochs, at the end of training, in which the best one says: it went on rising.
LAST = 0.1


@dataclass(frozen=True)
class Situation:
    """What was asked for, and what is known of the run beside the diagnostic to be explained.

    `objective` are the options of the objective. `exact` says whether log p(x) is known,
    `learned_prior` whether p(z) has parameters, and `rising` whether the validation ELBO was best
    at the end of training. `above_iwae` is how far AIS is above IWAE on the same data.
    """

    names: Mapping[str, str]
    objective: Mapping[str, Option]
    latent_dim: int
    exact: bool = False
    learned_prior: bool = False
    rising: bool = False
    above_iwae: Measured | None = None

    @classmethod
    def of(cls, evaluation: Evaluation) -> "Situation":
        """Returns the situation of a run that was evaluated."""
        run, bounds = evaluation.run, evaluation.bounds
        ais, iwae = bounds.ais, bounds.iwae
        return cls(
            names=run.request.names,
            objective=run.request.objective.options,
            latent_dim=run.request.latent_dim,
            exact=bounds.exact is not None,
            learned_prior=evaluation.learns_prior,
            rising=run.epoch >= (1 - LAST) * run.request.train.epochs,
            above_iwae=None if ais is None or iwae is None else Measured.of(paired(ais, iwae)),
        )

    @property
    def richer_guide(self) -> str:
        """A guide that contains the run's own, by its choices; of a single dimension, a flow."""
        own = self.names["guide"]
        richer: tuple[str, ...] = RICHER.get(own, ())
        if self.latent_dim == 1:
            richer = ("planar",) if own in RICHER and own != "planar" else ()
        elif self.latent_dim > WIDEST_OF_A_FLOW:
            richer = tuple(guide for guide in richer if guide == "full_covariance")
        return f"a richer guide (guide={' or '.join(richer)})" if richer else ""

    @property
    def longer_training(self) -> str:
        """More epochs, unless the best one came before the last."""
        return "longer training (train.epochs)" if self.rising else ""

    @property
    def annealing(self) -> str:
        """Annealing, unless it was done."""
        return "annealing (--ais 1000)" if self.above_iwae is None else ""

    @property
    def learned(self) -> str:
        """A prior that is learned, unless this one is."""
        return "" if self.learned_prior else "a learned prior (prior=mixture)"

    @property
    def lighter_kl(self) -> str:
        """A KL term that weighs less early in training, unless the objective sees to that."""
        return lighter_kl(self.names["objective"], self.objective)


def what_helps(*ways: str) -> str:
    """Returns the end of a sentence that names the ways there are, or its full stop.

    >>> what_helps("more particles", "", "longer training"), what_helps("")
    ('; what helps: more particles, longer training.', '.')
    """
    there = [way for way in ways if way]
    return f"; what helps: {', '.join(there)}." if there else "."
