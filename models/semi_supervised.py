"""The generative model with a label that is often missing: p_θ(x, y, z) = p(y) p(z) p_θ(x|z, y)."""

from collections.abc import Iterator
from typing import cast

import pyro
import pyro.distributions as dist
import torch
from jaxtyping import Bool, Float, Int
from pyro import poutine
from torch import Tensor, nn

from models.conditional import Conditional
from models.enumerated import Enumerated, Program, Term
from models.likelihoods.base import Likelihood
from models.priors.base import Prior


class SemiSupervised(Conditional, Enumerated):
    """M2 of Kingma et al. 2014, eq. 2, as a Pyro program; p(y) is uniform.

    Arguments:
        prior, decoder, likelihood, classes: those of `Conditional`.
        classifier_weight: α, what log q_φ(y|x) of data with labels counts in training.
    """

    def __init__(
        self,
        prior: Prior,
        decoder: nn.Module,
        likelihood: Likelihood,
        classes: int,
        classifier_weight: float,
    ) -> None:
        super().__init__(prior, decoder, likelihood, classes)
        self.classifier_weight = classifier_weight

    def forward(
        self, x: Float[Tensor, " N *shape"], y: Int[Tensor, " N"] | None = None
    ) -> Float[Tensor, " N *shape"]:
        """Samples y ~ p(y) unless it is given, and z ~ p(z); observes x ~ p_θ(x|z, y)."""
        with pyro.plate("data", len(x)):
            y = pyro.sample("y", dist.Categorical(logits=x.new_zeros(self.classes)), obs=y)
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.law(z, y), obs=x)

    def terms(self, guide: Program, *batch: Tensor) -> Iterator[Term]:
        """Yields the terms of eq. 9 of Kingma et al.; a label that is missing is −1.

        Beside each datum there is one whose label is known. Without labels, there is the first
        term alone.
        """
        x, *labels = batch
        if not labels:
            yield Term(self, guide, (x,))
            return
        y, x_known, y_known = labels
        missing, y = y < 0, y.clamp(min=0)
        # U(x) = Σ_y q(y|x) [L(x, y) − log q(y|x)]
        yield Term(of(missing, self), of(missing, guide), (x,))
        # L(x, y) = E_q(z|x, y)[log p(x, y, z) − log q(z|x, y)]
        yield Term(of(~missing, self), of(~missing, guide), (x, y), summed=False)
        # α log q(y|x): the guide's site y observes the label, and z is left out
        classifier = poutine.block(poutine.condition(guide, data={"y": y_known}), expose=["y"])
        weighed = poutine.scale(classifier, scale=self.classifier_weight)
        yield Term(weighed, nothing, (x_known,), summed=False)


def of(rows: Bool[Tensor, " N"], program: Program) -> Program:
    """Returns `program`, in which these rows alone count."""
    return poutine.mask(program, mask=cast(torch.BoolTensor, rows))


def nothing(x: Float[Tensor, " N *shape"]) -> None:
    """The guide of a program without latents."""
