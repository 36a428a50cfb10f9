"""Estimates of one quantity, side by side."""

from collections.abc import Mapping

import torch
from torch import Tensor

from evidence import Estimate

Reading = Estimate | Tensor | float


def show(readings: Mapping[str, Reading]) -> None:
    """Prints a line for each reading: its mean, and its distance from the last, paired per datum.

    A reading that is one number for all data has a distance without a standard error.
    """
    *_, last = (_per_datum(reading) for reading in readings.values())
    print(f"{'nats per datum':<44} {'mean':>9}  − the last")
    for name, reading in readings.items():
        away = Estimate(_per_datum(reading) - last, "exact")
        error = "" if isinstance(reading, float) else f" ± {away.standard_error:.3f}"
        print(f"{name:<44} {float(_per_datum(reading).mean()):>9.3f} {away.mean:>+8.3f}{error}")


def _per_datum(reading: Reading) -> Tensor:
    values = reading.per_datum if isinstance(reading, Estimate) else torch.as_tensor(reading)
    return values.double()
