"""What a trained pair says about every datum of a split, as arrays for whatever comes next."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.origins import Origins
from evaluation.options import Export
from evaluation.result import Evaluation
from evidence.batch import Batch
from experiment.directory import of_split
from experiment.files import write_arrays, write_whole
from experiment.predictions import blank, law_of_x, mean_of, reconstruct

BLOCK = 250


@torch.no_grad()
def export(evaluation: Evaluation, what: Export) -> list[Path]:
    """Writes export-<what>.npz into the run directory, in the order of the split.

    - latents: E_q[z] by site name (N, latent); where the data have labels, `labels`, the number of
      each among all of them, which are `classes`
    - scores: every per-datum bound on log p(x) in nats (N,) float64; low ones are unusual data
    - reconstructions: `x` as it was measured and its E_q[E[x|z]], both (N, *shape)
    - samples: as many draws x ~ p(x|z), and `means`, E[x|z] at the same z ~ p(z); labels in turn

    All but samples have `name` (N,), where each datum comes from, and `columns` of a table. What
    has a number or a few for each datum is a .csv, too.

    Returns:
        The files.
    """
    torch.manual_seed(0)
    path = evaluation.run.path / of_split(f"export-{what}.npz", evaluation.split)
    arrays, data = _arrays(evaluation, what), evaluation.run.dataset
    named: dict[str, Tensor | np.ndarray] = {}
    if what != "samples":
        named["name"] = evaluation.origins.names
    if data.columns is not None and what in ("reconstructions", "samples"):
        named["columns"] = np.array(data.columns)
    if "labels" in arrays:
        named["classes"] = np.array(data.classes)
    write_arrays(path, named | arrays)
    table = _table(evaluation, what, arrays)
    if not table:
        return [path]
    write_table(path.with_suffix(".csv"), evaluation.origins, table)
    return [path, path.with_suffix(".csv")]


def write_table(path: Path, origins: Origins, table: Mapping[str, np.ndarray]) -> None:
    """Writes a .csv with a row for each datum, whole or not at all; its name comes first.

    A column that is shorter than the others has empty cells at its end.
    """
    import pandas as pd

    columns = [pd.Series(values, name=name) for name, values in table.items()]
    frame = pd.concat([pd.Series(origins.names, name=origins.kind), *columns], axis=1)
    write_whole(path, frame.to_csv(index=False).encode(errors="backslashreplace"))


def by_column(name: str, values: Tensor, columns: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Returns values (N, D) as columns: by the names in `columns`, or numbered from 0."""
    flat = values.detach().cpu().flatten(1).numpy()
    names = columns or [f"{name}[{number}]" for number in range(flat.shape[1])]
    return dict(zip(names, flat.T, strict=True))


def _table(
    evaluation: Evaluation, what: Export, arrays: dict[str, Tensor]
) -> dict[str, np.ndarray]:
    """Returns what fits a table with a row for each datum, by column; nothing for pictures."""
    data, labels = evaluation.run.dataset, evaluation.labels
    known = {} if labels is None else {"label": np.array(data.classes)[labels.cpu().numpy()]}
    match what:
        case "latents":
            means = evaluation.codes.means.items()
            found = [by_column(site, mean, None) for site, mean in means]
            return {name: values for site in found for name, values in site.items()} | known
        case "scores":
            scores = {name: values.cpu().numpy() for name, values in arrays.items()}
            return scores | known
        case "reconstructions" if data.columns is not None:
            made = [f"reconstruction of {column}" for column in data.columns]
            x, mean = arrays["x"], arrays["reconstruction"]
            return by_column("x", x, data.columns) | by_column("", mean, made)
    return {}


def _arrays(evaluation: Evaluation, what: Export) -> dict[str, Tensor]:
    run, count = evaluation.run, evaluation.num_examples
    batch = Batch.of(run.data(evaluation.split)[:count])
    match what:
        case "latents":
            arrays, labels = dict(evaluation.codes.means), evaluation.labels
            return arrays if labels is None else arrays | {"labels": labels}
        case "scores":
            return {name: bound.per_datum for name, bound in evaluation.bounds.items()}
        case "reconstructions":
            blocks = [reconstruct(run.model, run.guide, part) for part in batch.parts(BLOCK)]
            return {"x": batch.x, "reconstruction": torch.cat(blocks)}
        case "samples":
            laws = [law_of_x(run.model, part) for part in blank(run.dataset, count).parts(BLOCK)]
            samples = torch.cat([law.sample() for law in laws])
            return {"samples": samples, "means": torch.cat([mean_of(law) for law in laws])}
