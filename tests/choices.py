"""Every choice on every axis, as a small pair of its own."""

import torch

from configs.compose import request_from
from evidence.batch import Batch
from experiment.build import build_data, build_objective, build_pair
from experiment.request import Request
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
COMPANIONS: dict[tuple[str, str], list[str]] = {
    ("prior", "vamp"): ["prior.components=5"],
    ("model", "semi_supervised"): ["model.labels=10"],
}
"""Choices that only work together with others."""


def request(*overrides: str) -> Request:
    """The request of a small run."""
    return request_from("data.limit=40", "latent_dim=3", *overrides)


def opened(*overrides: str):
    """(model, guide, objective, batches) of a small run: two batches of 8 data.

    They are in float64 where that is the default.
    """
    asked = request(*overrides)
    data = build_data(asked)
    model, guide = build_pair(asked, data)
    batches = []
    for rows in (slice(0, 8), slice(8, 16)):
        columns = Batch.of(data.train[rows])
        default = torch.get_default_dtype()
        batches.append(Batch(x.to(default) if x.is_floating_point() else x for x in columns))
    default = torch.get_default_dtype()
    return model.to(default), guide.to(default), build_objective(asked), batches
