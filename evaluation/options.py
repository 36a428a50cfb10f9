"""What evaluate.py's command line says, with types; nothing here needs torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from errors import RequestError
from experiment.request import PLACES

Export = Literal["latents", "scores", "reconstructions", "samples"]
EXPORTS: tuple[Export, ...] = get_args(Export)
Format = Literal["png", "pdf", "svg"]
FORMATS: tuple[Format, ...] = get_args(Format)
# Temperatures of annealing if everything is asked for.
FULL_TEMPERATURES = 1000


@dataclass(frozen=True)
class Options:
    """The command line's options by their names there; evaluate.py has their meanings and defaults.

    `places` says where the data are now, by the name of the option of `data`.
    """

    runs: list[str]
    places: dict[str, str]
    split: str
    particles: int
    elbo_particles: int
    limit: int | None
    exact: bool | None
    full: bool
    ais: int | None
    ais_limit: int
    ais_start: Literal["prior", "guide"]
    chains: int
    gap: bool
    gap_limit: int
    gap_steps: int
    calibration: bool
    simulations: int
    checkpoint: str
    compile: Literal["auto", "on", "off"]
    device: str
    seed: int
    again: bool
    export: list[Export]
    figures: list[Format]
    impute: str | None
    impute_particles: int
    trust: bool
    config_dir: str | None
    new: str | None
    new_labels: str | None

    @property
    def temperatures(self) -> int | None:
        """How many temperatures to anneal by, if annealing is asked for."""
        return self.ais or (FULL_TEMPERATURES if self.full else None)


def runs_and_places(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Returns the run directories among `words`, and the places of data by the names of options.

    Raises:
        RequestError: An option of `data` is no place, or there is no run directory.

    >>> runs_and_places(["runs/a", "data.root=/mnt", "runs/b"])
    (['runs/a', 'runs/b'], {'root': '/mnt'})
    """
    options = [word for word in words if re.match(r"data\.\w+=", word)]
    places = dict(option.removeprefix("data.").split("=", 1) for option in options)
    for name in places:
        if name not in PLACES:
            raise RequestError(
                f"data.{name}: only where the data are can be said here, "
                f"by data.{', data.'.join(PLACES)}"
            )
    runs = [word for word in words if word not in options]
    for word in runs:
        if re.match(r"[\w.]+=", word) and not Path(word).exists():
            raise RequestError(
                f"{word}: a run keeps the request that it was trained by; only where its data are "
                f"now can be said here, by data.{', data.'.join(PLACES)}"
            )
    if not runs:
        raise RequestError("no run directory was given")
    return runs, places
