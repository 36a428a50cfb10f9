"""Run directories as train.py and evaluate.py leave them, made of numbers that a test chooses."""

import copy
import json
from pathlib import Path

import numpy as np
import yaml

CONFIG = {
    "choices": {
        "data": "digits",
        "model": "vae",
        "prior": "standard_normal",
        "likelihood": "bernoulli",
        "guide": "mean_field",
    },
    "data": {"space": None, "limit": None, "seed": 0},
    "network": {"width": 200},
    "seed": 0,
    "latent_dim": 2,
    "run_dir": None,
    "train": {"epochs": 3, "learning_rate": 0.002},
}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


def make_run(
    path: Path,
    elbo,
    *,
    seed=0,
    space="binary",
    name="digits",
    split="test",
    particles=100,
    extra=None,
    **options,
) -> Path:
    """A finished, evaluated run: its ELBO per datum is `elbo` (N,), its IWAE half a nat above."""
    elbo = np.asarray(elbo, dtype=np.float64)
    config = copy.deepcopy(CONFIG) | {"seed": seed, "run_dir": str(path)}
    config["choices"] |= options.pop("choices", {})
    config |= options
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    arrays = {
        "elbo": elbo,
        "reconstruction": elbo + 3,
        "kl": np.full_like(elbo, 3.0),
        "iwae": elbo + 0.5,
    } | (extra or {})
    nats = {
        k: {"mean": float(v.mean()), "se": float(v.std(ddof=1) / len(v) ** 0.5)}
        for k, v in arrays.items()
    }
    nats["iwae"] |= {"particles": particles, "kind": "lower"}
    width = -np.log2(17) if space in ("unit", "real") else 0.0
    bits = -width - float(arrays["iwae"].mean()) / (64 * np.log(2))
    data = {
        "name": name,
        "split": split,
        "space": space,
        "observation": space,
        "num_examples": len(elbo),
        "dimensions": 64,
    }
    evaluation = {
        "data": data,
        "nats": nats,
        "bits_per_dim": {"mean": bits, "se": 0.01, "from": "iwae"},
        "diagnostics": {},
    }
    (path / "evaluation.json").write_text(json.dumps(evaluation))
    np.savez_compressed(path / "evaluation.npz", **arrays)
    lines = [
        {
            "epoch": epoch,
            "split": part,
            "elbo": float(elbo.mean()) - 5 / epoch,
            "reconstruction": -20.0,
            "kl": 3.0,
        }
        for epoch in (1, 2, 3)
        for part in ("train", "valid")
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (path / "figures").mkdir()
    for figure in ("reconstructions", "samples", "latent_space"):
        (path / "figures" / f"{figure}.png").write_bytes(PIXEL)
    (path / "DONE").touch()
    return path
