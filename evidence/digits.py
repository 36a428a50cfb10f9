"""TF32: products of matrices on a GPU that keep ten of the 23 bits behind the point.

torch lets convolutions use it unless told otherwise, and a log-density of 784 terms is then off by
hundredths of a nat. So the densities of a model in TF32 are compared with those in float32. Those
of a guide need not be: with other digits it is another guide, and a bound still.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from evidence.batch import Batch
from evidence.structure import Latents, Program, at, sample_sites, site_log_prob
from evidence.unsupported import UnsupportedPair

PLACES = {
    "torch.backends.cudnn.conv": torch.backends.cudnn.conv,  # type: ignore[attr-defined]
    "torch.backends.cuda.matmul": torch.backends.cuda.matmul,
}
# Nats that the digits of a product may cost a log-density.
TOLERANCE = 1e-3

# What torch is told at each of these places.
Precisions = Mapping[str, str]


@contextmanager
def told(precisions: Precisions) -> Iterator[None]:
    """Inside, products are computed as `precisions` say."""
    before = {name: PLACES[name].fp32_precision for name in precisions}
    try:
        for name, precision in precisions.items():
            PLACES[name].fp32_precision = precision
        yield
    finally:
        for name, precision in before.items():
            PLACES[name].fp32_precision = precision


@contextmanager
def all_digits(device: torch.device) -> Iterator[Precisions]:
    """Inside, products on `device` have all digits of float32; gives what cost digits outside."""
    rough = {
        name: place.fp32_precision
        for name, place in PLACES.items()
        if device.type == "cuda" and place.fp32_precision == "tf32"
    }
    with told(dict.fromkeys(rough, "ieee")):
        yield rough


def check_digits(model: Program, rows: Batch, latents: Latents, rough: Precisions) -> None:
    """Raises UnsupportedPair, which names the site, if settings cost a density of it digits.

    Arguments:
        model: the program.
        rows: some data.
        latents: where its densities are compared.
        rough: the settings that products have outside of `all_digits`, which it is within.
    """
    if not rough:
        return
    whole = {site["name"]: site_log_prob(site) for site in sample_sites(at(model, latents, rows))}
    with told(rough):
        found = {
            site["name"]: site_log_prob(site) for site in sample_sites(at(model, latents, rows))
        }
    for name, density in whole.items():
        off = (density - found[name]).abs().nan_to_num().max().item()
        if off > TOLERANCE:
            settings = " and ".join(f'{place}.fp32_precision = "ieee"' for place in rough)
            raise UnsupportedPair(
                f"site {name!r} of the model has a log-density that TF32 changes by {off:.2g} "
                f"nats; set {settings}"
            )
