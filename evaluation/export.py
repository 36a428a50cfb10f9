"""What a trained pair says about every datum of a split, as arrays for whatever comes next."""

from pathlib import Path

import torch
from torch import Tensor

from evaluation.predictions import generate, reconstruct
from evaluation.result import Evaluation
from evidence.batch import Batch
from experiment import Run
from experiment.directory import of_split
from experiment.files import write_arrays

BLOCK = 250


@torch.no_grad()
def export(run: Run, evaluation: Evaluation, what: str) -> Path:
    """Write `what` (one of evaluate.py's EXPORTS) to export-<what>.npz in the run directory, in the order of the split.

    - latents: E_q[z] by site name (N, latent), and `labels` where the data have them
    - scores: every per-datum bound on log p(x) in nats (N,) float64; low ones are unusual data
    - reconstructions: `x` as it was measured and its E_q[E[x|z]], both (N, *shape)
    - samples: E[x|z] at as many draws z ~ p(z)
    """
    split = run.data(evaluation.split)
    batch = Batch.of(split[: evaluation.num_examples])
    torch.manual_seed(0)
    arrays: dict[str, Tensor]
    if what == "latents":
        arrays = dict(evaluation.codes.means)
        if split.labels is not None:
            arrays["labels"] = split.labels[: evaluation.num_examples]
    elif what == "scores":
        arrays = {name: bound.per_datum for name, bound in evaluation.bounds.items()}
    elif what == "reconstructions":
        arrays = {
            "x": batch.x,
            "reconstruction": torch.cat(
                [reconstruct(run.model, run.guide, part) for part in batch.parts(BLOCK)]
            ),
        }
    else:
        arrays = {
            "samples": torch.cat(
                [generate(run.model, run.dataset, part.size) for part in batch.parts(BLOCK)]
            )
        }
    path = run.path / of_split(f"export-{what}.npz", evaluation.split)
    write_arrays(path, arrays)
    return path
