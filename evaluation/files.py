"""The files of an evaluation in the run directory."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.names import SPLITS
from evaluation.export import by_column, write_table
from evaluation.imputation import Imputed
from evaluation.plain import evaluation_json, imputation_json
from evaluation.result import Evaluation
from experiment.directory import of_split
from experiment.files import read_plain_file, write_arrays, write_json

LARGEST = 10_000_000  # bytes of evaluation.json


def save_evaluation(evaluation: Evaluation, directory: Path) -> None:
    """Writes evaluation.json and, per datum in float64, evaluation.npz.

    The files of train and valid are named after them. Until the test split is measured,
    evaluation.json is that of the split measured last, too; that of new data it never is. Each
    names the SHA-256 of the .npz that it belongs to.
    """
    arrays = {"reconstruction": evaluation.reconstruction, "kl": evaluation.kl}
    arrays |= {name: estimate.per_datum for name, estimate in evaluation.bounds.items()}
    own = of_split("evaluation.json", evaluation.split)
    alone = evaluation.split not in SPLITS or _is_of_test(directory / "evaluation.json")
    names = {own} if alone else {own, "evaluation.json"}
    for name in sorted(names):
        # The arrays come first: until it is written, too, the .json names those of before.
        digest = write_arrays((directory / name).with_suffix(".npz"), arrays)
        write_json(directory / name, evaluation_json(evaluation) | {"npz_sha256": digest})


def save_imputations(imputed: Imputed) -> None:
    """Writes imputations.json, and imputations.npz with what was filled in for every datum.

    imputations.csv is a table with its missing cells filled in by their means.
    """
    one, directory = imputed.imputation, imputed.run.path
    data = imputed.run.dataset
    origins = imputed.run.data(imputed.split).origins.rows(slice(len(imputed.x)))
    arrays: dict[str, Tensor | np.ndarray] = {
        "name": origins.names,
        "x": imputed.x,
        "missing": imputed.missing,
        "mean": one.mean,
        "draw": one.draw,
        "log_predictive": one.log_predictive,
        "effective_size": one.effective_size,
    }
    path = directory / of_split("imputations.npz", imputed.split)
    if data.columns is not None:
        arrays["columns"] = np.array(data.columns)
        filled = torch.where(imputed.missing, one.mean, imputed.x)
        write_table(path.with_suffix(".csv"), origins, by_column("x", filled, data.columns))
    digest = write_arrays(path, arrays)
    content = imputation_json(imputed) | {"npz_sha256": digest}
    write_json(directory / of_split("imputations.json", imputed.split), content)


def holds_whole(file: Path) -> bool:
    """Whether an earlier evaluation that was not interrupted wrote `file`."""
    there = _read(file)
    return "data" in there and "partial" not in there


def _is_of_test(file: Path) -> bool:
    """Whether an earlier evaluation wrote `file` about the test split."""
    data = _read(file).get("data")
    return isinstance(data, dict) and data.get("split") == "test"


def _read(file: Path) -> dict[str, object]:
    """Returns what an evaluation.json says; nothing if it is not there or damaged."""
    try:
        found = json.loads(read_plain_file(file, LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
