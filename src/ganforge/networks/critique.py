"""What a discriminator says of a batch of images."""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Critique"]


class Critique(NamedTuple):
    """A discriminator's output: the verdict, and what its other heads say.

    Attributes:
        logits: ``(n,)`` unbounded scores, high for real.
        features: ``(n, d)`` activations before the last layer, for feature matching and consistency terms.
        class_logits: ``(n, classes)`` of an auxiliary class head (AC-GAN).
        codes: ``(n, k)`` raw outputs of a code head (InfoGAN's Q).
        embedding: ``(n, e)`` of a contrastive head (ContraGAN, ReACGAN, InfoMax-GAN), not normalised.
        proxy: ``(n, e)`` the condition's embedding in the same space, not normalised.
        local_embeddings: ``(n, e, p)`` of the image's ``p`` places in the same space (InfoMax-GAN).
    """

    logits: Tensor
    features: Tensor | None = None
    class_logits: Tensor | None = None
    codes: Tensor | None = None
    embedding: Tensor | None = None
    proxy: Tensor | None = None
    local_embeddings: Tensor | None = None
