"""From what Hydra composed to a request."""

from collections.abc import Mapping
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import configs.schema  # noqa: F401 - its import registers the schema with Hydra
from configs.messages import one_line
from configs.quoting import quoted
from configs.words import check_words
from data.places import no_name
from errors import RequestError
from experiment.checks import checked_train
from experiment.choices import AXES, CONFIGS
from experiment.components import importable
from experiment.request import Choice, Request, named


def request_of(config: DictConfig, chosen: Mapping[str, str]) -> Request:
    """Returns the request that a composed configuration stands for, `chosen` being Hydra's choices.

    Raises:
        RequestError: an option does not exist (`+name=…` gets past Hydra), or has a wrong value.
    """
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    known = {*AXES, "train", "seed", "device", "latent_dim", "run_dir", "extend", "init_from"}
    for name in {str(key) for key in values} - known:
        raise RequestError(f"{name}: no such option; there are {', '.join(sorted(known))}")
    components = {axis: _choice(axis, chosen[axis], values[axis]) for axis in AXES}
    if why := no_name(Path(str(values["run_dir"] or "."))):
        raise RequestError(f"run_dir={values['run_dir']}: {why}")
    return Request(
        **components,
        train=checked_train(values["train"]),
        seed=values["seed"],
        device=values["device"],
        latent_dim=values["latent_dim"],
        run_dir=values["run_dir"] or "",
        extend=values["extend"],
        init_from=values["init_from"],
        trained_in=str(Path.cwd()),
    )


def _choice(axis: str, name: str, node: Mapping[str, object]) -> Choice:
    options = {str(key): value for key, value in node.items() if key != "_target_"}
    if not isinstance(node.get("_target_"), str):
        raise RequestError(f"{axis}={name}: its file has no _target_, the path of a class")
    return named(axis, name, str(node["_target_"]), options)  # type: ignore[arg-type]


def request_from(*words: str, config_dir: str | Path | None = None) -> Request:
    """Returns the request that the words of a command line stand for.

    Arguments:
        words: `axis=choice` and `option=value`.
        config_dir: a folder with more choices, from which Python modules can be imported, too.

    Raises:
        RequestError: a word is none of these, or asks for what there is not.

    >>> request_from("prior=vamp", "seed=1").prior.name
    'vamp'
    """
    folder = None if config_dir is None else str(importable(config_dir))
    check_words(words, folder)
    own = [] if folder is None else [f'hydra.searchpath=["file://{folder}"]']
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            config = compose("train", [*own, *quoted(list(words))], return_hydra_config=True)
        chosen = dict(config.hydra.runtime.choices)
        OmegaConf.set_struct(config, False)
        del config["hydra"]
        return request_of(config, chosen)
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(one_line(error)) from error
