"""Packing (PacGAN, Lin et al. 2018): the discriminator sees several samples at once, against mode collapse."""

from collections.abc import Callable

from torch import Tensor, nn

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.networks.critique import Critique

__all__ = ["Packed"]


class Packed(nn.Module):
    """A discriminator of ``packing`` samples of one kind, concatenated along dimension 1 (section 2.1).

    Samples that follow one another in the batch form a pack: they are independent draws. A batch of ``n``
    gives ``n / packing`` logits, so the paper's batch of 100 packs is a batch of ``100 * packing`` samples
    here. Penalties on the gradient measure each sample's share of its pack's gradient.

    Args:
        discriminator: builds the discriminator from ``channels``; all else is unchanged, as in the paper
            (section 3.2).
        packing: ``m``, samples a pack; 1 is the plain discriminator.
        channels: of one image, or coordinates of one point.

    Raises:
        GanforgeError: if ``packing`` is below 1; in ``forward``, if a batch does not divide into packs or is
            conditional.
    """

    def __init__(self, discriminator: Callable[..., nn.Module], packing: Count, channels: Count) -> None:
        super().__init__()
        if packing < 1:
            raise GanforgeError(
                f"model.discriminator.packing must be a whole number >= 1, got {packing}; 1 packs nothing."
            )
        self.packing = packing
        self.discriminator = discriminator(channels=channels * packing)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, c, h, w)`` images or ``(n, c)`` points: ``n / packing`` logits."""
        n = len(images)
        if n % self.packing:
            raise GanforgeError(
                f"model.discriminator.packing={self.packing} does not divide a batch of {n}: make "
                f"data.batch_size (over processes and model.accumulate) a multiple of {self.packing}."
            )
        if condition is not None:
            raise GanforgeError(
                "Packed: a pack has no one condition; choose conditioning=none, or a model without packing."
            )
        critique: Critique = self.discriminator(images.reshape(n // self.packing, -1, *images.shape[2:]))
        return critique
