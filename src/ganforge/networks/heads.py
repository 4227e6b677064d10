"""Heads of the residual and convolutional discriminators: from pooled features to a logit.

In a configuration a head is an import path with ``_partial_: true``, for example
``head: {_target_: ganforge.networks.heads.ClassHead, _partial_: true}``.
"""

from collections.abc import Callable

from torch import Tensor, nn

from ganforge.core.errors import GanforgeError
from ganforge.networks.checks import require_labels
from ganforge.networks.critique import Critique
from ganforge.networks.layers import Layers

__all__ = ["ClassHead", "Contrastive", "Head", "HeadFactory", "Projection", "make_head"]


class Head(nn.Module):
    """The unconditional head: one linear layer from ``(n, features)`` to a logit.

    Args:
        features: length of the pooled features.
        classes: number of classes, or ``None``.
        layers: makes the head's layers, so that they are normalised as the rest of the discriminator.

    Raises:
        GanforgeError: from subclasses that need classes, where ``classes`` is ``None``.
    """

    def __init__(self, features: int, classes: int | None, layers: Layers) -> None:
        super().__init__()
        self.logit = layers.linear(features, 1)

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Critique:
        """Score pooled features ``(n, d)``; ``condition`` is labels ``(n,)`` or ``None``."""
        return Critique(self.logit(features).squeeze(1), features=features)

    def _classes(self, classes: int | None) -> int:
        if classes is None:
            raise GanforgeError(f"head {type(self).__name__} needs classes; set classes, or leave head=null.")
        return classes


class Projection(Head):
    """Projection: adds ``embedding(label) . features`` to the logit (Miyato and Koyama 2018, equation 5)."""

    def __init__(self, features: int, classes: int | None, layers: Layers) -> None:
        super().__init__(features, classes, layers)
        self.embedding = layers.embedding(self._classes(classes), features)

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Critique:
        """See :class:`Head`."""
        critique = super().forward(features)
        inner = (self.embedding(require_labels(self, condition)) * features).sum(1)
        return critique._replace(logits=critique.logits + inner)


class ClassHead(Head):
    """Auxiliary classifier beside the logit (AC-GAN, Odena et al. 2017): fills ``Critique.class_logits``.

    With ``classes=4`` and rotations for labels it is the head of SSGAN (Chen et al. 2019).

    Args:
        features, classes, layers: see :class:`Head`.
        bias: of the classes' logits, as in mimicry; StudioGAN's have none.
    """

    def __init__(self, features: int, classes: int | None, layers: Layers, *, bias: bool = True) -> None:
        super().__init__(features, classes, layers)
        self.classify = layers.linear(features, self._classes(classes), bias=bias)

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Critique:
        """See :class:`Head`; the condition is not read."""
        return super().forward(features)._replace(class_logits=self.classify(features))


class Contrastive(Head):
    """Embedding and class proxies (ContraGAN, Kang and Park 2020; ReACGAN, Kang et al. 2021).

    Fills ``Critique.embedding`` and, where there are labels, ``Critique.proxy``; neither is normalised,
    whereas StudioGAN's discriminator normalises both before the loss.

    Args:
        features, classes, layers: see :class:`Head`.
        dim: length of embedding and proxy.
    """

    def __init__(self, features: int, classes: int | None, layers: Layers, *, dim: int = 512) -> None:
        super().__init__(features, classes, layers)
        self.embed = layers.linear(features, dim)
        self.proxies = layers.embedding(self._classes(classes), dim)

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Critique:
        """See :class:`Head`."""
        proxy = self.proxies(require_labels(self, condition))
        return super().forward(features)._replace(embedding=self.embed(features), proxy=proxy)


HeadFactory = Callable[[int, int | None, Layers], Head]


def make_head(head: HeadFactory | None, features: int, classes: int | None, layers: Layers) -> Head:
    """Build ``head``; ``None`` is :class:`Projection` where there are classes and :class:`Head` where not."""
    default = Head if classes is None else Projection
    return (head or default)(features, classes, layers)
