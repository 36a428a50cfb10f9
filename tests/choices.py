"""Every choice on every axis, as a small pair of its own."""

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import configs.schema  # noqa: F401 - registers the schema with Hydra
from experiment.build import build_data, build_pair
from experiment.components import build
from tests.conftest import ROOT

AXES = ("model", "prior", "likelihood", "guide", "network", "objective")
DEFAULTS = {
    "model": "vae",
    "prior": "standard_normal",
    "likelihood": "bernoulli",
    "guide": "mean_field",
    "network": "mlp",
}
CHOICES = [
    (axis, file.stem)
    for axis in AXES
    for file in sorted((ROOT / "configs" / axis).glob("*.yaml"))
    if file.stem != DEFAULTS.get(axis)
]
COMPANIONS: dict[tuple[str, str], list[str]] = {("prior", "vamp"): ["prior.components=5"]}
"""Choices that only work together with others."""


def request(*overrides):
    """The configuration of a small run."""
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose(
            "train", ["data.limit=40", "latent_dim=3", *overrides], return_hydra_config=True
        )
    values = OmegaConf.to_container(config, resolve=False)
    choices = values.pop("hydra")["runtime"]["choices"]
    return {"choices": choices} | values


def opened(*overrides):
    """(model, guide, objective, batches) of a small run: two batches of 8 data, float64 where that is the default."""
    config = request(*overrides)
    data = build_data(config)
    model, guide = build_pair(config, data)
    objective = build("objective", config["objective"])
    batches = []
    for rows in (slice(0, 8), slice(8, 16)):
        batch = data.train[rows]
        batch = batch if isinstance(batch, tuple) else (batch,)
        batches.append(
            tuple(x.to(torch.get_default_dtype()) if x.is_floating_point() else x for x in batch)
        )
    return (
        model.to(torch.get_default_dtype()),
        guide.to(torch.get_default_dtype()),
        objective,
        batches,
    )
