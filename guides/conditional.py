"""The amortized guide given a label: q_φ(z|x, y)."""

import pyro
from jaxtyping import Float, Int
from torch import Tensor, nn

from guides.families.base import Family
from models.distributions import Distribution, laid_out
from networks.labelled import with_label


class ConditionalAmortized(nn.Module):
    """The guide as a Pyro program.

    Arguments:
        encoder: the network from x to features.
        head: the network from the features and the label, one-hot, to the family's parameters.
        family: makes q_φ(z|x, y) of these parameters.
        classes: the number of labels.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module, family: Family, classes: int) -> None:
        super().__init__()
        self.encoder, self.head, self.family, self.classes = encoder, head, family, classes

    def forward(
        self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " N"]
    ) -> Float[Tensor, " N latent"]:
        """Samples z ~ q_φ(z|x, y) at site `z`, in the plate of the data."""
        with pyro.plate("data", len(x)):
            return pyro.sample("z", self.posterior(x, y))

    def posterior(self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " *y"]) -> Distribution:
        """Returns q_φ(z|x, y) in the batch of x and y, event_shape (latent,)."""
        rows, batch = with_label(self.encoder(x), y, self.classes)
        return laid_out(self.family(self.head(rows)), batch, rows.dtype)
