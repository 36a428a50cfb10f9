"""p(y) p(z) p(x|z, y) with q(y|x) q(z|x, y): labels that are known of a few training data."""

from data import Dataset
from experiment.build import Parts
from experiment.recipes.base import Pair
from experiment.recipes.conditional import Conditional
from guides.classifying import Classifying
from inference.objectives.elbo import ELBO
from models.semi_supervised import SemiSupervised as SemiSupervisedModel


class SemiSupervised(Conditional):
    """M2 of Kingma et al. 2014. Its evidence is log p(x), over every y.

    Training is told `labels` labels, as many of each class, which `labels_seed` draws. The
    classifier learns of them as if they were `classifier_weight` times as many as all data (the
    paper has 0.1). `features` is that of model=conditional.
    """

    def __init__(
        self,
        labels: int = 100,
        labels_seed: int = 0,
        classifier_weight: float = 0.1,
        features: int = 100,
    ) -> None:
        super().__init__(features)
        if labels < 1:
            raise ValueError(f"labels={labels}: must be at least 1")
        if not classifier_weight >= 0:
            raise ValueError(f"classifier_weight={classifier_weight}: must be at least 0")
        self.labels, self.labels_seed = labels, labels_seed
        self.classifier_weight = classifier_weight

    def prepared(self, data: Dataset) -> Dataset:
        return data.with_few_labels(self.labels, self.labels_seed)

    def pair(self, parts: Parts) -> Pair:
        parts.require("objective", (ELBO,), "it alone sums over y; use objective=elbo")
        classes = parts.data.num_classes
        model, guide = self.components(parts)
        return Pair(
            SemiSupervisedModel(*model, classes, self.classifier_weight),
            Classifying(parts.encoder(classes), *guide, classes),
        )
