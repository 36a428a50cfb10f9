"""A σ-VAE is saved with the σ that is the optimum of its training set, not with its first one."""

import torch

from evidence.structure import at
from experiment import train
from inference import load_run


def test_a_run_is_saved_with_the_optimal_scale_of_its_training_set(tmp_path):
    options = ["data.space=unit", "data.limit=60", "network.width=8", "train.epochs=2"]
    options += ["likelihood=gaussian", "likelihood.scale=optimal", f"run_dir={tmp_path}/run"]
    train(*options, "device=cpu", "train.compile=off")
    run = load_run(tmp_path / "run")
    saved = run.model.likelihood.optimal_scale.item()
    x, squares = run.data("train")[:], []
    with torch.no_grad():
        for _ in range(20):
            z = run.guide(x)
            mean = at(run.model, {"z": z}, (x,)).nodes["x"]["fn"].mean
            squares.append((x - mean).double().square().mean())
    optimum = torch.stack(squares).mean().sqrt().item()
    # One draw of z for each datum sets σ; other draws move it by less than a hundredth.
    assert abs(saved / optimum - 1) < 0.01 and abs(optimum / 0.5 - 1) > 0.05
