"""evaluate.py --impute: hold dimensions back, fill them in from the others, and say how far off that is."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from evaluation.blocks import blockwise
from evidence.imputation import Imputation, impute
from evidence.weights import as_batch
from experiment import Run
from experiment.directory import of_split
from experiment.files import write_arrays, write_json


@dataclass(frozen=True)
class Measured:
    """An error with its standard error."""

    value: float
    se: float


@dataclass(frozen=True)
class Imputed:
    """What was held back from `run`, and what was put in its place.

    `nothing_observed` is the same model with all dimensions missing, p(x_d) for each: what the observed ones are worth.
    """

    run: Run
    split: str
    mask: str
    x: Float[Tensor, " N *shape"]
    missing: Bool[Tensor, " N *shape"]
    imputation: Imputation
    nothing_observed: Imputation

    def errors(self) -> dict[str, dict[str, Measured]]:
        """Root mean square error, in the data's units, and −log p per missing dimension, in nats, by what filled them in."""
        found = {}
        for name, one in (
            ("imputed", self.imputation),
            ("nothing_observed", self.nothing_observed),
        ):
            found[name] = {
                "rmse": self._rmse(one.mean),
                "nats_per_dimension": self._average(-one.log_predictive),
            }
        return found | {"training_mean": {"rmse": self._rmse(self.run.dataset.mean)}}

    def _rmse(self, filled: Tensor) -> Measured:
        square = self._average((filled.double() - self.x.double()).square())
        root = math.sqrt(square.value)
        return Measured(root, square.se / (2 * root) if root else 0.0)  # the delta method

    def _average(self, values: Tensor) -> Measured:
        """Over all missing dimensions; its error from the spread over data, whose dimensions are not independent."""
        totals = values.double().masked_fill(~self.missing, 0.0).flatten(1).sum(1)
        counts = self.missing.flatten(1).sum(1).double()
        ratio = float(totals.sum() / counts.sum())
        spread = float((totals - ratio * counts).std(correction=1)) if len(counts) > 1 else math.nan
        return Measured(ratio, spread / float(counts.mean()) / math.sqrt(len(counts)))

    def as_json(self) -> dict[str, Any]:
        """The content of imputations.json."""
        size = self.imputation.effective_size
        return {
            "split": self.split,
            "mask": self.mask,
            "num_examples": len(self.x),
            "share_missing": float(self.missing.double().mean()),
            "particles": self.imputation.particles,
            "effective_sample_size": {
                "median": float(size.median()),
                "smallest": float(size.min()),
            },
            "errors": {
                name: {what: vars(value) for what, value in several.items()}
                for name, several in self.errors().items()
            },
        }

    def table(self) -> str:
        """The errors, printed."""
        labels = {
            "imputed": "E[x_mis|x_obs]",
            "nothing_observed": "E[x_mis], nothing observed",
            "training_mean": "training mean",
        }
        share, size = float(self.missing.double().mean()), self.imputation.effective_size
        lines = [
            f"  missing ({self.mask}): {share:.0%} of the dimensions of {len(self.x):,} {self.split} data",
            f"  {'filled in by':<28}{'RMSE':>9}{'s.e.':>9}{'−log p/dim':>13}{'s.e.':>9}",
        ]
        for name, several in self.errors().items():
            cells = [several.get(what) for what in ("rmse", "nats_per_dimension")]
            numbers = [
                f"{c.value:>{w}.4f}{c.se:>9.4f}"
                for c, w in zip(cells, (9, 13), strict=True)
                if c is not None
            ]
            lines.append(f"  {labels[name]:<28}{''.join(numbers)}")
        lines.append(
            f"  effective sample size: median {float(size.median()):.1f}, smallest {float(size.min()):.1f} of "
            f"{self.imputation.particles:,} particles; where it is near 1, take more (--impute-particles)"
        )
        return "\n".join(lines)

    def save(self) -> None:
        """Write imputations.npz (x, missing, mean, draw, log_predictive, effective_size) and imputations.json."""
        one = self.imputation
        arrays = {"x": self.x, "missing": self.missing, "mean": one.mean, "draw": one.draw}
        arrays |= {"log_predictive": one.log_predictive, "effective_size": one.effective_size}
        write_arrays(self.run.path / of_split("imputations.npz", self.split), arrays)
        write_json(self.run.path / of_split("imputations.json", self.split), self.as_json())


def hold_back(
    run: Run,
    split: str,
    mask: str,
    missing: Bool[Tensor, " N *shape"],
    particles: int,
    seed: int = 0,
) -> Imputed:
    """Impute the first data of `split` where `missing`, one row a datum, which `mask` names."""
    batch = as_batch(run.data(split)[: len(missing)])
    missing, fill = missing.to(batch[0].device), run.dataset.mean
    torch.manual_seed(seed)

    def fill_in(part: tuple[Tensor, ...]) -> Imputation:
        *x, lost = part
        return impute(run.model, run.guide, tuple(x), lost, fill, particles)

    def fill_in_everything(part: tuple[Tensor, ...]) -> Imputation:
        *x, lost = part
        return impute(
            run.model, run.guide, tuple(x), torch.ones_like(lost), fill, particles, rounds=1
        )

    columns = (*batch, missing)
    filled = Imputation.join(blockwise(fill_in, columns, "imputation"))
    nothing = Imputation.join(blockwise(fill_in_everything, columns, "baseline"))
    return Imputed(run, split, mask, batch[0], missing, filled, nothing)
