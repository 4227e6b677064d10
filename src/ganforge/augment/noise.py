"""Instance noise: Gaussian noise on the discriminator's input that fades as training goes on."""

import torch
from torch import Tensor

from ganforge.augment.base import Augment
from ganforge.core.annotations import NonNegative, Positive
from ganforge.core.errors import GanforgeError

__all__ = ["InstanceNoise"]


class InstanceNoise(Augment):
    """Add Gaussian noise whose standard deviation falls linearly to zero.

    ``x + sigma (1 - t / (1000 kimg)) N(0, I)`` after ``t`` real images, which gives the two distributions a
    common support (Sonderby et al. 2017, "Amortised MAP inference for image super-resolution";
    Arjovsky & Bottou 2017, "Towards principled methods for training GANs", section 3). The papers anneal; the
    linear shape is ours.

    Args:
        sigma: the initial standard deviation, on images in [-1, 1].
        kimg: thousands of real images, over all ranks, until the noise is gone; ``None`` keeps it for ever.
    """

    images_seen: Tensor

    def __init__(self, *, sigma: NonNegative = 0.1, kimg: Positive | None = None) -> None:
        super().__init__()
        if not 0 <= sigma < float("inf"):
            raise GanforgeError(f"InstanceNoise: sigma must be a finite number >= 0, got {sigma}.")
        if kimg is not None and not kimg > 0:
            raise GanforgeError(f"InstanceNoise: kimg must be > 0, or null for noise that stays, got {kimg}.")
        self.initial_sigma = sigma
        self.kimg = kimg
        self.register_buffer("images_seen", torch.tensor(0))

    @property
    def sigma(self) -> Tensor:
        """The current standard deviation, a scalar."""
        share = self.images_seen / (1000 * self.kimg) if self.kimg else torch.zeros_like(self.images_seen)
        return self.initial_sigma * (1 - share).clamp(min=0)

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`~ganforge.augment.base.Augment`."""
        return images + torch.randn_like(images) * self.sigma.to(images.dtype)

    def observe(self, real_logits: Tensor, images: int) -> None:
        """Count the images; the logits are not read."""
        self.images_seen += images

    def scalars(self) -> dict[str, Tensor]:
        """``noise_sigma``."""
        return {"noise_sigma": self.sigma}
