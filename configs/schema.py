"""The types of the options that every run has, as Hydra checks them."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from inference.plan import Train

Node = dict[str, Any]  # a choice as its YAML file has it


@dataclass
class Schema:
    """The whole configuration; each axis holds what its YAML file says."""

    data: Node = field(default_factory=dict)
    model: Node = field(default_factory=dict)
    prior: Node = field(default_factory=dict)
    likelihood: Node = field(default_factory=dict)
    guide: Node = field(default_factory=dict)
    network: Node = field(default_factory=dict)
    objective: Node = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    latent_dim: int = 2
    run_dir: str | None = None
    extend: str | None = None
    init_from: str | None = None
    train: Train = field(default_factory=Train)


# OmegaConf makes what a frozen class describes read-only, but here the options are put together.
schema = OmegaConf.structured(Schema)
OmegaConf.set_readonly(schema.train, False)
ConfigStore.instance().store(name="schema", node=schema)
