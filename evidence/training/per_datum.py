"""An objective as loss per datum."""

from jaxtyping import Float
from torch import Tensor

from evidence.structure import Program
from evidence.training.loss import Differentiable, Loss


class PerDatum(Loss):
    """`objective`, divided by the number of data in the batch.

    Batches of any size then weigh the same against `weight_decay` and `clip_norm`.
    """

    def __init__(self, objective: Differentiable) -> None:
        self.objective = objective

    def differentiable_loss(
        self, model: Program, guide: Program, *batch: Tensor
    ) -> Float[Tensor, ""]:
        """Returns minus the bound, averaged over the batch."""
        return self.objective.differentiable_loss(model, guide, *batch) / len(batch[0])
