"""Held back dimensions of data, filled in from the others, and how far off that is."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from data import Dataset
from evaluation.blocks import blockwise
from evaluation.masks import Mask
from evaluation.stages import Stages
from evaluation.waiting import Stage
from evidence.batch import Batch
from evidence.imputation import Imputation, impute
from experiment import Run

# What the missing dimensions are filled in by: their mean given the observed ones, the mean of the
# same model with nothing observed, or the mean of the training data.
Filler = Literal["imputed", "nothing_observed", "training_mean"]


@dataclass(frozen=True)
class Error:
    """An error with its standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True)
class Errors:
    """How far a filler is off.

    `rmse` is the root mean square error in the data's units; `nats_per_dimension` is −log p per
    missing dimension, for a filler that has a density. Of a table, whose columns have units of
    their own, `standardised_rmse` counts each in its standard deviations, and `columns` are the
    root mean square errors of each by itself.
    """

    rmse: Error
    nats_per_dimension: Error | None = None
    standardised_rmse: Error | None = None
    columns: tuple[Error, ...] = ()


@dataclass(frozen=True)
class Imputed:
    """What was held back from data of `run`, and what was put in its place.

    `nothing_observed` comes from the same model with all dimensions missing, p(x_d) for each: it
    tells what the observed ones are worth. `spread` is the standard deviation of each column of a
    table in the training split.
    """

    run: Run
    split: str
    mask: str
    x: Float[Tensor, " N *shape"]
    missing: Bool[Tensor, " N *shape"]
    imputation: Imputation
    nothing_observed: Imputation
    spread: Float[Tensor, " columns"] | None = None

    @property
    def share_missing(self) -> float:
        """The share of the dimensions that is missing."""
        return float(self.missing.double().mean())

    def errors(self) -> dict[Filler, Errors]:
        """Returns the errors of each filler on the missing dimensions."""
        return {
            "imputed": self._errors(self.imputation.mean, self.imputation.log_predictive),
            "nothing_observed": self._errors(
                self.nothing_observed.mean, self.nothing_observed.log_predictive
            ),
            "training_mean": self._errors(self.run.dataset.mean),
        }

    def _errors(self, filled: Tensor, log_predictive: Tensor | None = None) -> Errors:
        square = (filled.double() - self.x.double()).square()
        nats = None if log_predictive is None else _average(-log_predictive, self.missing)
        if self.spread is None:
            return Errors(_root(square, self.missing), nats)
        columns = zip(square.split(1, 1), self.missing.split(1, 1), strict=True)
        return Errors(
            _root(square, self.missing),
            nats,
            _root(square / self.spread.double().square(), self.missing),
            tuple(_root(*column) for column in columns),
        )


def _root(square: Tensor, missing: Tensor) -> Error:
    found = _average(square, missing)
    root = math.sqrt(found.value)
    # The standard error of a root is that of its square, by the delta method.
    return Error(root, found.standard_error / (2 * root) if root else found.standard_error)


def _average(values: Tensor, missing: Tensor) -> Error:
    """Returns the mean over all missing dimensions; NaN if there are none.

    Its error is from the spread over data, whose dimensions are not independent.
    """
    totals = values.double().masked_fill(~missing, 0.0).flatten(1).sum(1)
    counts = missing.flatten(1).sum(1).double()
    if not counts.any():
        return Error(math.nan, math.nan)
    ratio = float(totals.sum() / counts.sum())
    spread = float((totals - ratio * counts).std(correction=1)) if len(counts) > 1 else math.nan
    return Error(ratio, spread / float(counts.mean()) / math.sqrt(len(counts)))


def imputation_stages(mask: Mask, particles: int) -> list[Stage]:
    """Returns the stages of `hold_back`."""
    rows = len(mask.missing) * particles
    return [
        Stage("imputation", f"imputation, {mask.name}", 4 * rows),
        Stage("nothing-observed", "imputation with nothing observed", 2 * rows),
    ]


def hold_back(
    run: Run, split: str, mask: Mask, particles: int, seed: int = 0, stage: Stages | None = None
) -> Imputed:
    """Imputes the first data of `split`, one for each row of `mask`, where that is True.

    It goes by the stages `imputation_stages`, of which `stage` shows and keeps the results.
    """
    if stage is None:
        stage = Stages()
        stage.expect(imputation_stages(mask, particles))
    batch = Batch.of(run.data(split)[: len(mask.missing)])
    missing, fill = mask.missing.to(batch.device), run.dataset.mean
    torch.manual_seed(seed)

    def fill_in(part: Batch) -> Imputation:
        *x, lost = part
        return impute(run.model, run.guide, Batch(x), lost, fill, particles)

    def fill_in_everything(part: Batch) -> Imputation:
        *x, lost = part
        lost = torch.ones_like(lost)
        return impute(run.model, run.guide, Batch(x), lost, fill, particles, rounds=1)

    columns = Batch((*batch, missing))
    given = (*columns, fill, particles)
    filled = stage("imputation", lambda: Imputation.join(blockwise(fill_in, columns)), *given)
    nothing = stage(
        "nothing-observed", lambda: Imputation.join(blockwise(fill_in_everything, columns)), *given
    )
    return Imputed(run, split, mask.name, batch.x, missing, filled, nothing, _spread(run.dataset))


def _spread(data: Dataset) -> Tensor | None:
    """Returns the standard deviation of each column of a table; 1 where it is constant."""
    if data.columns is None:
        return None
    sd = Batch.of(data.train[:]).x.double().std(0, correction=0)
    return torch.where(sd > 0, sd, 1.0)
