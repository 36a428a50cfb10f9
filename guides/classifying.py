"""The amortized guide that guesses a label which is missing: q_φ(y|x) q_φ(z|x, y)."""

import pyro
import pyro.distributions as dist
from jaxtyping import Float, Int
from torch import Tensor, nn

from guides.conditional import ConditionalAmortized
from guides.families.base import Family


class Classifying(ConditionalAmortized):
    """The guide as a Pyro program; `classifier` is the network from x to the logits of q_φ(y|x).

    The other arguments are those of `ConditionalAmortized`.
    """

    def __init__(
        self,
        classifier: nn.Module,
        encoder: nn.Module,
        head: nn.Module,
        family: Family,
        classes: int,
    ) -> None:
        super().__init__(encoder, head, family, classes)
        self.classifier = classifier

    def forward(
        self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " N"] | None = None
    ) -> Float[Tensor, " *batch latent"]:
        """Samples y ~ q_φ(y|x) unless it is given, then z ~ q_φ(z|x, y); returns z."""
        with pyro.plate("data", len(x)):
            if y is None:
                y = pyro.sample("y", self.label(x), infer={"enumerate": "parallel"})
            return pyro.sample("z", self.posterior(x, y))

    def label(self, x: Float[Tensor, " N *shape"]) -> dist.Categorical:
        """Returns q_φ(y|x): batch_shape (N,)."""
        return dist.Categorical(logits=self.classifier(x))
