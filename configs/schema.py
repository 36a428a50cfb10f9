"""The types of the options that every run has, and the checks that need no heavy imports."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from errors import RequestError, needs
from inference.plan import Train

AXES = ("data", "model", "prior", "likelihood", "guide", "network", "objective")


@dataclass
class Schema:
    """The whole configuration; each axis holds what its YAML file says."""

    data: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    prior: dict[str, Any] = field(default_factory=dict)
    likelihood: dict[str, Any] = field(default_factory=dict)
    guide: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    latent_dim: int = 2
    run_dir: str | None = None
    train: Train = field(default_factory=Train)


# OmegaConf makes what a frozen class describes read-only, but here the options are put together.
schema = OmegaConf.structured(Schema)
OmegaConf.set_readonly(schema.train, False)
ConfigStore.instance().store(name="schema", node=schema)


def check(config: Mapping[str, Any]) -> None:
    """Raise RequestError for an option that does not exist (`+name=…` gets past Hydra) or a value out of range."""
    train = config["train"]
    for prefix, given, known in (("", config, Schema), ("train.", train, Train)):
        names = {f.name for f in fields(known)} | {"choices", "trained_in"}
        for name in set(given) - names:
            raise RequestError(
                f"{prefix}{name}: no such option; there are {', '.join(sorted(names - {'choices', 'trained_in'}))}"
            )
    for name, value, least in (
        ("seed", config["seed"], 0),
        ("latent_dim", config["latent_dim"], 1),
        ("train.epochs", train["epochs"], 1),
        ("train.batch_size", train["batch_size"], 1),
        ("train.warmup_epochs", train["warmup_epochs"], 0),
        ("train.patience", train["patience"], 1),
        ("data.limit", config["data"].get("limit"), 1),
        ("data.seed", config["data"].get("seed"), 0),
    ):
        if value is not None and (not isinstance(value, int) or value < least):
            raise RequestError(f"{name}={value}: must be a whole number, at least {least}")
    for name, value, zero_too in (
        ("train.learning_rate", train["learning_rate"], False),
        ("train.weight_decay", train["weight_decay"], True),
        ("train.checkpoint_seconds", train["checkpoint_seconds"], True),
        ("train.clip_norm", train["clip_norm"], False),
    ):
        if value is not None and not (
            (value > 0 or (zero_too and value == 0)) and value < float("inf")
        ):
            raise RequestError(
                f"{name}={value}: must be a positive number" + (" or 0" if zero_too else "")
            )
    for name, value, choices in (
        ("device", config["device"], ("auto", "cpu", "cuda")),
        ("train.schedule", train["schedule"], ("constant", "cosine")),
        ("train.compile", train["compile"], ("auto", "on", "off")),
        ("train.resume", train["resume"], ("auto", "never")),
        (
            "data.binarisation",
            config["data"].get("binarisation"),
            ("dynamic", "fixed", "threshold"),
        ),
        ("data.space", config["data"].get("space"), ("binary", "bytes", "unit", "real", "counts")),
    ):
        if value not in choices and not (name == "data.space" and value is None):
            raise RequestError(f"{name}={value}: choose from {', '.join(map(str, choices))}")
    if train["tensorboard"]:
        needs("tensorboard", "train.tensorboard=true")
