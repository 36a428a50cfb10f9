"""The checks of a request that need no heavy imports."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import get_type_hints

from data.names import BINARISATIONS, SPACE_NAMES
from errors import RequestError
from experiment.choices import Option
from experiment.hints import accepts, describe
from inference.plan import Train

LARGEST_SEED = 2**62  # others are made of it by adding to it
LARGEST_WHOLE = 2**63 - 1  # what torch keeps
# Of whole numbers, the least that is accepted; of others, whether 0 is.
LEAST = {"epochs": 1, "batch_size": 1, "warmup_epochs": 0, "patience": 1}
ZERO_TOO = {
    "learning_rate": False,
    "weight_decay": True,
    "checkpoint_seconds": True,
    "clip_norm": False,
}
CHOICES = {
    "schedule": ("constant", "cosine"),
    "compile": ("auto", "on", "off"),
    "resume": ("auto", "never"),
}
DEVICES = ("auto", "cpu", "cuda")


def checked_train(options: object) -> Train:
    """Returns the options under `train.`; those that are left out have their defaults.

    Raises:
        RequestError: an option does not exist, or has a value that is not accepted.
    """
    if not isinstance(options, Mapping):
        raise RequestError("train: not a group of options")
    hints = get_type_hints(Train)
    known = [field.name for field in fields(Train)]
    for name, value in options.items():
        if name not in known:
            raise RequestError(
                f"train.{name}: no such option; there are {', '.join(sorted(known))}"
            )
        if name in LEAST:
            check_whole(f"train.{name}", value, LEAST[name], optional=accepts(hints[name], None))
        if not accepts(hints[name], value):
            raise RequestError(f"train.{name}={value!r}: expected {describe(hints[name])}")
        if name in ZERO_TOO:
            check_positive(f"train.{name}", value, ZERO_TOO[name])
        if name in CHOICES:
            check_choice(f"train.{name}", value, CHOICES[name])
        if name == "average" and value is not None and not 0 < value < 1:
            raise RequestError(f"train.average={value}: must be between 0 and 1, as 0.999 is")
    return Train(**options)


def check_options(
    seed: object, device: object, latent_dim: object, data: Mapping[str, Option]
) -> None:
    """Raises RequestError unless the options that are no component's are what they can be."""
    check_seed("seed", seed)
    check_whole("latent_dim", latent_dim, 1)
    check_whole("data.limit", data.get("limit"), 1, optional=True)
    check_seed("data.seed", data.get("seed", 0))
    check_choice("device", device, DEVICES)
    check_choice("data.binarisation", data.get("binarisation", "dynamic"), BINARISATIONS)
    if data.get("space") is not None:
        check_choice("data.space", data["space"], SPACE_NAMES)


def check_whole(
    name: str, value: object, least: int, optional: bool = False, most: int = LARGEST_WHOLE
) -> None:
    """Raises RequestError unless `value` is a whole number, from `least` to `most`; or None."""
    if value is None and optional:
        return
    if not accepts(int, value) or not isinstance(value, int) or value < least:
        raise RequestError(f"{name}={value}: must be a whole number, at least {least}")
    if value > most:
        raise RequestError(f"{name}={value}: must be at most {most}")


def check_seed(name: str, value: object) -> None:
    """Raises RequestError unless `value` is a seed, which torch keeps in 64 bits."""
    check_whole(name, value, 0, most=LARGEST_SEED)


def check_finite(axis: str, options: Mapping[str, Option]) -> None:
    """Raises RequestError for an option of a component that no number of torch can hold."""
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise RequestError(f"{axis}.{name}={value}: must be a finite number")
        if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
            raise RequestError(f"{axis}.{name}={value}: must be at most {LARGEST_WHOLE} in size")


def check_positive(name: str, value: object, zero_too: bool) -> None:
    """Raises RequestError unless `value` is None, finite and positive, or 0 if `zero_too`."""
    if value is None:
        return
    if (
        not isinstance(value, int | float)
        or not 0 <= value < float("inf")
        or (not value and not zero_too)
    ):
        raise RequestError(
            f"{name}={value}: must be a positive number" + (" or 0" if zero_too else "")
        )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raises RequestError unless `value` is one of `choices`."""
    if value not in choices:
        raise RequestError(f"{name}={value}: choose from {', '.join(choices)}")
