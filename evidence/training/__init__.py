"""Training faster: what takes the place of the loss and of the optimizer in Pyro's own SVI.

    svi = SVI(vae.model, vae.guide, FusedAdam([vae], 1e-3), CompiledELBO())

`import evidence` does not import this package.
"""

from evidence.training.compiled_elbo import CompiledELBO
from evidence.training.loss import Loss
from evidence.training.optimizer import FusedAdam
from evidence.training.per_datum import PerDatum

__all__ = ["CompiledELBO", "FusedAdam", "Loss", "PerDatum"]
