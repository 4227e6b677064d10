"""The outputs of a discriminator on a batch of samples."""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

from torch import Tensor

from ganforge.core.errors import GanforgeError

__all__ = ["Critique", "Layers", "NotGiven"]

Head = Literal["features", "class_logits", "codes", "embedding", "proxy", "local_embeddings"]
#: Feature maps of one discriminator's layers, for each of its scales.
Layers = tuple[tuple[Tensor, ...], ...]
Output = TypeVar("Output", Tensor, Layers)


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

    A head may be a function that computes its output, and always returns the same: then it runs where a loss reads it.

    Attributes:
        logits: ``(n,)`` unbounded scores, high for real; of a PatchGAN ``(n, patches)``.
        features: ``(n, d)`` activations before the last layer, for feature matching and consistency terms.
        class_logits: ``(n, classes)`` of an auxiliary class head (AC-GAN).
        codes: ``(n, k)`` raw outputs of a code head (InfoGAN's Q).
        embedding: ``(n, e)`` of a contrastive head (ContraGAN, ReACGAN, InfoMax-GAN), not normalised.
        proxy: ``(n, e)`` the condition's embedding in the same space, not normalised.
        local_embeddings: ``(n, e, p)`` of the image's ``p`` places in the same space (InfoMax-GAN).
        layers: ``(n, d, h, w)`` maps of every layer before the last, for each scale (pix2pixHD's feature matching).
        patches: how many of the logits are of which scale, one after another; empty where there is one scale. The
            adversarial loss is the mean of the scales' own.
    """

    logits: Tensor
    features: Tensor | None = None
    class_logits: Tensor | None = None
    codes: Tensor | None = None
    embedding: Tensor | Callable[[], Tensor] | None = None
    proxy: Tensor | None = None
    local_embeddings: Tensor | Callable[[], Tensor] | None = None
    layers: Layers | None = None
    patches: tuple[int, ...] = ()

    @classmethod
    def of(cls, output: object, samples: Tensor) -> "Critique":
        """Return a discriminator's output for ``samples`` as a critique; a plain tensor is its logits.

        Args:
            output: what the discriminator returned.
            samples: ``(n, ...)``, what it was given.

        Raises:
            GanforgeError: if there is not one logit a sample, or a pack of samples.
        """
        plain = isinstance(output, Tensor)
        if isinstance(output, Tensor):
            output = cls(output)
        if not isinstance(output, cls):
            raise GanforgeError(
                f"The discriminator returned a {type(output).__name__}: return its logits, a tensor (n,), or a "
                "ganforge.networks.critique.Critique."
            )
        shape, count = tuple(output.logits.shape), len(samples)
        if len(shape) not in ((1,) if plain else (1, 2)) or not shape[0] or count % shape[0]:
            raise GanforgeError(
                f"The discriminator returned logits of shape {shape} for {count} samples: return ({count},), one "
                "number a sample, such as logits.flatten() where the last layer has one output, or, of patches, a "
                f"Critique whose logits are ({count}, patches)."
            )
        return output

    def scales(self) -> tuple[Tensor, ...]:
        """Return the logits of each scale, ``(n, patches)`` or ``(n,)`` each."""
        return self.logits.split(self.patches, 1) if self.patches else (self.logits,)

    def require(self, head: Head) -> Tensor:
        """Return the output of a head that not every discriminator has.

        Raises:
            NotGiven: if this one has none.
        """
        output: Tensor | None = getattr(self.computed(head), head)
        return _required(output, head)

    def require_layers(self) -> Layers:
        """Return the maps of every layer.

        Raises:
            NotGiven: if this discriminator gives none.
        """
        return _required(self.layers, "layers")

    def computed(self, *heads: Head) -> "Critique":
        """Return the critique with the outputs of ``heads``, by default of all, in place of what computes them."""
        chosen = {name: getattr(self, name) for name in heads or self._fields}
        return self._replace(**{name: output() for name, output in chosen.items() if callable(output)})


def _required(output: Output | None, name: str) -> Output:
    if output is None:
        raise NotGiven(
            f"the discriminator's {name.replace('_', ' ')}",
            "network.discriminator",
            "choose a network with that head",
        )
    return output
