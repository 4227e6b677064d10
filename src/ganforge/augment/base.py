"""The contract of augmentations; by itself it changes nothing."""

from torch import Tensor, nn

__all__ = ["Augment"]


class Augment(nn.Module):
    """Augments images before the discriminator sees them, real and generated alike; the identity by itself.

    Whatever adapts is a buffer, so that checkpoints hold it.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return augmented ``(n, c, h, w)`` images in [-1, 1]; differentiable."""
        return images

    def pseudo(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the discriminator is shown as real; both are ``(n, c, h, w)``."""
        return real

    def observe(self, real_logits: Tensor, images: int) -> None:
        """Adapt after a discriminator step, from its ``(n,)`` detached real logits and its images over all ranks."""

    def scalars(self) -> dict[str, Tensor]:
        """Return values worth logging, by name."""
        return {}
