"""The outputs of a discriminator on a batch of samples."""

from typing import Literal, NamedTuple

from torch import Tensor

from ganforge.core.errors import GanforgeError

__all__ = ["Critique", "NotGiven"]

Head = Literal["features", "class_logits", "codes", "embedding", "proxy", "local_embeddings"]


class NotGiven(GanforgeError):  # noqa: N818 - what is missing is the name
    """Something that a loss reads and that this run's networks, latent or conditioning do not give.

    Args:
        what: what is read, such as ``the discriminator's class logits``.
        source: what should give it, such as ``network.discriminator``.
        remedy: the way out.
    """

    def __init__(self, what: str, source: str, remedy: str) -> None:
        super().__init__(f"A loss reads {what} and {source} gives none: {remedy}.")
        self.what, self.source, self.remedy = what, source, remedy

    def read_by(self, term: str) -> GanforgeError:
        """Return the same error, with the name of the term that reads."""
        return GanforgeError(
            f"term.{term} reads {self.what} and {self.source} gives none: {self.remedy}, or leave {term} out of "
            "term=[...]."
        )


class Critique(NamedTuple):
    """A discriminator's outputs: logits, and those of further heads where it has any.

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

    def require(self, head: Head) -> Tensor:
        """Return the output of a head that not every discriminator has.

        Raises:
            NotGiven: if this one has none.
        """
        output: Tensor | None = getattr(self, head)
        if output is None:
            raise NotGiven(
                f"the discriminator's {head.replace('_', ' ')}",
                "network.discriminator",
                "choose a network with that head",
            )
        return output
