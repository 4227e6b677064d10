"""Classification accuracy scores: of classifiers trained on generated images, and tested on them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Positive
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import features, field

__all__ = ["ClassificationAccuracy"]

Labelled = tuple[Tensor, Tensor]


def _linear_accuracy(train: Labelled, test: Labelled, penalty: float) -> float:
    """Return the accuracy in [0, 1] on ``test`` of logistic regression fitted to standardised features of ``train``."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(train[1].unique()) < 2:
        raise GanforgeError("ClassificationAccuracy needs at least 2 classes: take it out.")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=1000))
    model.fit(train[0].cpu().double().numpy(), train[1].cpu().numpy())
    return float(model.score(test[0].cpu().double().numpy(), test[1].cpu().numpy()))


def _draw(labelled: Labelled, limit: int, generator: torch.Generator) -> Labelled:
    rows = torch.randperm(len(labelled[1]), generator=generator)[:limit].to(labelled[1].device)
    return labelled[0][rows], labelled[1][rows]


@dataclass(frozen=True)
class ClassificationAccuracy:
    """Classification accuracy scores (Ravuri & Vinyals 2019; GAN-train and GAN-test of Shmelkov et al. 2018).

    ``cas_generated_to_real`` is the accuracy on held-out real images of a classifier fitted to generated ones, with the
    classes they were generated for as labels: it falls with poor images and with lost diversity.
    ``cas_real_to_generated`` is that of one fitted to training images on generated ones: it falls with poor images
    alone. ``cas_real_to_real`` fits and tests on real images: what the other two are to be compared with.

    Deviation: the papers train a ResNet on images. Here it is multinomial logistic regression (scikit-learn, L2) on the
    extractor's features, standardised on what it is fitted to: seconds instead of hours, without a training seed, and
    comparable under one protocol only.

    Attributes:
        penalty: of the squared norm of the weights, scikit-learn's ``1 / C``.
        limit: at most so many images are fitted to, drawn at random; both kinds get the same number.
    """

    penalty: Positive = 1.0
    limit: Annotated[int, Bounds(at_least=2)] = 10_000
    needs: ClassVar[frozenset[str]] = frozenset(
        {"fake_labels", "train_features", "train_labels", "heldout_features", "heldout_labels"}
    )
    better: ClassVar[Better] = {"cas_*": "greater"}

    def __post_init__(self) -> None:
        if not self.penalty > 0 or self.limit < 2:
            raise GanforgeError("ClassificationAccuracy: penalty must be above 0 and limit at least 2.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        sets: dict[str, Labelled] = {
            kind: (features(comparison, f"{kind}_features"), field(comparison, f"{kind}_labels"))
            for kind in ("fake", "train", "heldout")
        }
        limit = min(self.limit, len(sets["fake"][1]), len(sets["train"][1]))
        fitted = {
            kind: _draw(sets[kind], limit, torch_generator(comparison.seed, "classification-accuracy", kind))
            for kind in ("fake", "train")
        }
        return {
            "cas_generated_to_real": _linear_accuracy(fitted["fake"], sets["heldout"], self.penalty),
            "cas_real_to_generated": _linear_accuracy(fitted["train"], sets["fake"], self.penalty),
            "cas_real_to_real": _linear_accuracy(fitted["train"], sets["heldout"], self.penalty),
        }
