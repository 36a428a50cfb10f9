"""Everything that evaluate.py measures on one run."""

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from evidence import Estimate, elbo_terms, exact, iwae
from evidence.weights import as_batch
from inference import Run
from inference.run_directory import write_json, write_whole
from report.diagnostics import Diagnostics, diagnose

T = TypeVar("T")
BLOCK = 250
"""Data per step of the progress bar; each estimator splits them further as memory asks."""


@dataclass(frozen=True)
class Evaluation:
    """Per-datum values (N,) float64 in nats, and bounds on log p(x) by the name they have in evaluation.json.

    `bounds` always holds `elbo` and `iwae`; `exact` where log p(x) can be computed; `truth`, the log-density of the
    distribution that synthetic data were drawn from, which no model beats on average. `fingerprint` tells whether two runs
    were measured on the same values: their noise could have been drawn on another device.
    """

    run: Run
    split: str
    reconstruction: Tensor
    kl: Tensor
    bounds: dict[str, Estimate]
    fingerprint: str
    diagnostics: Diagnostics

    @property
    def num_examples(self) -> int:
        """How many data were measured."""
        return len(self.kl)

    @property
    def tightest(self) -> str:
        """The bound that says most about log p(x): the exact value, else IWAE."""
        return "exact" if "exact" in self.bounds else "iwae"

    @property
    def gap(self) -> Tensor | None:
        """log p(x) − ELBO per datum, where log p(x) is known."""
        return self.bounds["exact"].per_datum - self.bounds["elbo"].per_datum if "exact" in self.bounds else None

    def bits_per_dim(self) -> dict[str, Any]:
        """−log₂ of the mass of the stored values per dimension, from the tightest bound.

        A density of dequantised values is turned into one on the stored levels by their width (`quantum`), and is
        then a lower bound on the mass (Theis et al. 2016).
        """
        data = self.run.dataset
        scale = data.dimensions * math.log(2)
        offset = -math.log2(data.quantum) if data.quantum is not None else 0.0
        best = self.bounds[self.tightest]
        return {"mean": offset - best.mean / scale, "se": best.standard_error / scale, "from": self.tightest}

    def as_json(self) -> dict[str, Any]:
        """The content of evaluation.json."""
        terms = {"reconstruction": self.reconstruction, "kl": self.kl}
        measured = {name: _mean_and_se(values) for name, values in terms.items()}
        measured |= {name: estimate.summary() for name, estimate in self.bounds.items()}
        if self.gap is not None:
            measured["gap"] = _mean_and_se(self.gap)
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
            "nats": measured,
            "bits_per_dim": self.bits_per_dim(),
            "diagnostics": self.diagnostics.as_json(),
        }

    def save(self, directory: Path) -> None:
        """Write evaluation.json and, per datum in float64, evaluation.npz."""
        arrays = {"reconstruction": self.reconstruction, "kl": self.kl}
        arrays |= {name: estimate.per_datum for name, estimate in self.bounds.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{n: v.cpu().numpy() for n, v in arrays.items()})  # type: ignore[arg-type]
        write_whole(directory / "evaluation.npz", buffer.getvalue())
        write_json(directory / "evaluation.json", self.as_json())


def _mean_and_se(values: Tensor) -> dict[str, float]:
    return {"mean": float(values.mean()), "se": float(values.std(correction=1)) / math.sqrt(len(values))}


def evaluate(run: Run, split: str, particles: int, elbo_particles: int, limit: int | None = None, seed: int = 0) -> Evaluation:
    """Measure `run` on the first `limit` examples of `split`; the same seed gives the same numbers."""
    batch = as_batch(run.data(split)[: limit or len(run.data(split))])
    torch.manual_seed(seed)
    model, guide = run.model, run.guide
    terms = _blockwise(lambda part: elbo_terms(model, guide, part, elbo_particles), batch, "ELBO")
    reconstruction = torch.cat([t.reconstruction for t in terms])
    kl = torch.cat([t.kl for t in terms])
    bounds = {
        "elbo": Estimate(reconstruction - kl, "lower", elbo_particles),
        "iwae": Estimate.join(_blockwise(lambda part: iwae(model, guide, part, particles), batch, f"IWAE-{particles}")),
    }
    known = exact(model, guide, batch)
    if known is not None:
        bounds["exact"] = known
    if run.dataset.truth is not None:
        bounds["truth"] = Estimate(run.dataset.truth.log_prob(batch[0].double()), "exact", details={"of": "the data's own law"})
    fingerprint = hashlib.sha256(batch[0].cpu().numpy().tobytes()).hexdigest()[:16]
    return Evaluation(run, split, reconstruction, kl, bounds, fingerprint, diagnose(model, guide, batch, particles))


def _blockwise(measure: Callable[[tuple[Tensor, ...]], T], batch: tuple[Tensor, ...], name: str) -> list[T]:
    """`measure` on blocks of data, with a progress bar that leaves nothing behind."""
    with tqdm(total=len(batch[0]), desc=f"{name:>10}", unit=" data", leave=False, dynamic_ncols=True) as bar:
        results = []
        for part in zip(*(column.split(BLOCK) for column in batch), strict=True):
            results.append(measure(part))
            bar.update(len(part[0]))
    return results
