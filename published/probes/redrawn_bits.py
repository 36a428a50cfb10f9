"""What it matters that test bits are drawn anew, for the mean over images and its error."""

import torch

from evidence import iwae
from published.place import Place
from published.probes.images import grey, trained
from published.reading import alone
from published.verdict import Measured

IMAGES, PARTICLES = 10_000, 100


@torch.no_grad()
def measure(place: Place) -> Measured:
    """Returns IWAE-100 with bits drawn anew minus that with the bits of the test split, paired."""
    run, pixels = trained(place), grey(place, IMAGES)
    fixed = run.data("test")[: len(pixels)]
    pixels = pixels[: len(fixed)]
    torch.manual_seed(1)
    drawn = torch.bernoulli(pixels)
    found = []
    for x in (drawn, fixed):
        torch.manual_seed(2)
        found.append(iwae(run.model, run.guide, x, PARTICLES).per_datum)
    return alone((found[0] - found[1]).cpu().numpy()[None])
