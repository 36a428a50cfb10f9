"""What a trained pair says about every datum of a split, as arrays for whatever comes next."""

from pathlib import Path

import torch
from torch import Tensor

from evaluation.result import Evaluation
from evidence.weights import as_batch
from experiment import Run
from experiment.directory import of_split
from experiment.files import write_arrays
from report.figures.pictures import generate, posterior_means, reconstruct

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
    batch = as_batch(split[: evaluation.num_examples])
    torch.manual_seed(0)
    arrays: dict[str, Tensor]
    if what == "latents":
        arrays = posterior_means(run.model, run.guide, batch)
        if split.labels is not None:
            arrays["labels"] = split.labels[: evaluation.num_examples]
    elif what == "scores":
        arrays = {name: bound.per_datum for name, bound in evaluation.bounds.items()}
    elif what == "reconstructions":
        blocks = zip(*(part.split(BLOCK) for part in batch), strict=True)
        arrays = {
            "x": batch[0],
            "reconstruction": torch.cat(
                [reconstruct(run.model, run.guide, block) for block in blocks]
            ),
        }
    else:
        arrays = {
            "samples": torch.cat([generate(run, len(block)) for block in batch[0].split(BLOCK)])
        }
    path = run.path / of_split(f"export-{what}.npz", evaluation.split)
    write_arrays(path, arrays)
    return path
