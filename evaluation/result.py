"""What evaluate.py has measured on one run."""

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from evaluation.bounds import Bounds
from evaluation.codes import Codes, encode
from evaluation.diagnostics import Diagnostics
from evidence.estimate import measured, paired
from experiment import Run
from experiment.directory import of_split
from experiment.files import write_arrays, write_json


@dataclass(frozen=True)
class Evaluation:
    """Per-datum values (N,) float64 in nats, and bounds on log p(x) by the name they have in evaluation.json.

    `bounds` always holds `elbo` and `iwae`; `exact` where log p(x) can be computed; `upper` where p(z|x) can be drawn from;
    `ais` if asked for, on the first data only; `truth`, the log-density of the distribution that synthetic data were drawn
    from, which no model beats on average. `fingerprint` tells whether two runs were measured on the same values: their noise
    could have been drawn on another device. `notes` say what could not be measured, and why.
    """

    run: Run
    split: str
    reconstruction: Tensor
    kl: Tensor
    bounds: Bounds
    fingerprint: str
    diagnostics: Diagnostics
    notes: list[str] = field(default_factory=list)

    @property
    def num_examples(self) -> int:
        """How many data were measured."""
        return len(self.kl)

    @property
    def tightest(self) -> str:
        """The bound on all data that says most about log p(x): the exact value, else IWAE."""
        return self.bounds.tightest_name

    @property
    def gap(self) -> Tensor | None:
        """log p(x) − ELBO per datum, where log p(x) is known."""
        return (
            self.bounds.exact.per_datum - self.bounds.elbo.per_datum
            if self.bounds.exact is not None
            else None
        )

    @cached_property
    def codes(self) -> Codes:
        """E_q[z] of the data that were measured, for figures, pages and exports."""
        split = self.run.data(self.split)
        return encode(self.run.model, self.run.guide, split, self.num_examples)

    def bits_per_dim(self) -> dict[str, Any]:
        """−log₂ of the mass of the stored values per dimension, from the tightest bound.

        A density of dequantised values is turned into one on the stored levels by their width (`quantum`), and is
        then a lower bound on the mass (Theis et al. 2016).
        """
        data = self.run.dataset
        scale = data.dimensions * math.log(2)
        offset = -math.log2(data.quantum) if data.quantum is not None else 0.0
        best = self.bounds.tightest
        return {
            "mean": offset - best.mean / scale,
            "se": best.standard_error / scale,
            "from": self.tightest,
        }

    def as_json(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        nats: dict[str, dict[str, Any]] = {
            "reconstruction": measured(self.reconstruction),
            "kl": measured(self.kl),
        }
        nats |= {name: estimate.summary() for name, estimate in self.bounds.items()}
        if self.bounds.ais is not None:
            nats["ais"]["above_iwae"] = measured(paired(self.bounds.ais, self.bounds.iwae))
        if self.gap is not None:
            nats["gap"] = measured(self.gap)
        if self.diagnostics.gap is not None and self.split in self.diagnostics.gap.by_split:
            parts = self.diagnostics.gap.by_split[self.split].summary()
            nats |= {
                f"{part}_gap": parts[part] | {"from": parts["from"]}
                for part in ("approximation", "amortization")
            }
        return {
            "data": {
                "name": self.run.dataset.name,
                "split": self.split,
                "space": self.run.dataset.space.name,
                "observation": self.run.dataset.description,
                "num_examples": self.num_examples,
                "dimensions": self.run.dataset.dimensions,
                "fingerprint": self.fingerprint,
            },
            "epoch": self.run.epoch,
            "nats": nats,
            "bits_per_dim": self.bits_per_dim(),
            "diagnostics": self.diagnostics.as_json(),
            "notes": self.notes,
        }

    def save(self, directory: Path) -> None:
        """Write evaluation.json and, per datum in float64, evaluation.npz; of another split than test, under its own name.

        Until the test split is measured, evaluation.json is that of the split measured last.
        """
        arrays = {"reconstruction": self.reconstruction, "kl": self.kl}
        arrays |= {name: estimate.per_datum for name, estimate in self.bounds.items()}
        own = of_split("evaluation.json", self.split)
        names = {own} if _is_of_test(directory / "evaluation.json") else {own, "evaluation.json"}
        for name in sorted(names):
            write_arrays((directory / name).with_suffix(".npz"), arrays)
            write_json(directory / name, self.as_json())


def _is_of_test(file: Path) -> bool:
    try:
        return bool(json.loads(file.read_text())["data"]["split"] == "test")
    except (OSError, ValueError, KeyError, TypeError):
        return False
