"""What the Bernoulli formula on grey pixels lacks for it to be a density.

∫₀¹ pˣ(1−p)¹⁻ˣ dx = (2p − 1)/log(p/(1−p)), which is at most ½ for every p.
"""

import pyro
import torch

from evidence.batch import Batch
from experiment.predictions import reconstruct
from published.place import Place
from published.probes.images import grey, trained
from published.reading import alone
from published.verdict import Measured


@torch.no_grad()
def measure(place: Place) -> Measured:
    """Returns −log of the formula's integral over all grey images, at a draw of q for each image.

    A density has 0 here.
    """
    run, x = trained(place), grey(place, 1000)
    torch.manual_seed(0)
    with pyro.validation_enabled(False):
        p = reconstruct(run.model, run.guide, Batch((x,)), particles=1).double().flatten(1)
    logits = torch.logit(p)
    inside = torch.where(logits.abs() < 1e-6, torch.full_like(p, 0.5), (2 * p - 1) / logits)
    return alone(-inside.log().sum(1).cpu().numpy()[None])
