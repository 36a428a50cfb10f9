"""Where cells are measured, and with how much effort. This module needs no torch."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("runs/published")
# What a shortened protocol is told beside: enough to see that the commands work.
QUICK_TRAIN = ("train.epochs=1", "data.limit=60", "train.compile=off")
QUICK_EVALUATE = (
    *("--particles", "10", "--elbo-particles", "5", "--limit", "20", "--compile", "off"),
    *("--gap-limit", "4", "--gap-steps", "5", "--ais-limit", "4", "--chains", "2"),
)
QUICK_TEMPERATURES = "4"


@dataclass(frozen=True)
class Place:
    """The folder of the runs, that of the data, and whether the protocol is shortened."""

    folder: Path = FOLDER
    data_root: str = "datasets"
    quick: bool = False

    def run(self, name: str) -> Path:
        """Returns the directory of the run of that name."""
        return self.folder / name
