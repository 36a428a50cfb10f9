"""What a trained pair says about every datum of a split, as arrays for whatever comes next."""

from pathlib import Path

import torch
from torch import Tensor

from evaluation.options import Export
from evaluation.result import Evaluation
from evidence.batch import Batch
from experiment.directory import of_split
from experiment.files import write_arrays
from experiment.predictions import generate, reconstruct

BLOCK = 250


@torch.no_grad()
def export(evaluation: Evaluation, what: Export) -> Path:
    """Writes export-<what>.npz into the run directory, in the order of the split.

    - latents: E_q[z] by site name (N, latent), and `labels` where the data have them
    - scores: every per-datum bound on log p(x) in nats (N,) float64; low ones are unusual data
    - reconstructions: `x` as it was measured and its E_q[E[x|z]], both (N, *shape)
    - samples: E[x|z] at as many draws z ~ p(z)
    """
    torch.manual_seed(0)
    file = of_split(f"export-{what}.npz", evaluation.split)
    path = evaluation.run.path / file
    write_arrays(path, _arrays(evaluation, what))
    return path


def _arrays(evaluation: Evaluation, what: Export) -> dict[str, Tensor]:
    run, count = evaluation.run, evaluation.num_examples
    split = run.data(evaluation.split)
    batch = Batch.of(split[:count])
    match what:
        case "latents":
            arrays = dict(evaluation.codes.means)
            return arrays if split.labels is None else arrays | {"labels": split.labels[:count]}
        case "scores":
            return {name: bound.per_datum for name, bound in evaluation.bounds.items()}
        case "reconstructions":
            blocks = [reconstruct(run.model, run.guide, part) for part in batch.parts(BLOCK)]
            return {"x": batch.x, "reconstruction": torch.cat(blocks)}
        case "samples":
            drawn = [generate(run.model, run.dataset, part.size) for part in batch.parts(BLOCK)]
            return {"samples": torch.cat(drawn)}
