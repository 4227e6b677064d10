"""DCGAN as StudioGAN builds it: ``deep_conv`` of github.com/POSTECH-CVLab/PyTorch-StudioGAN at 947b35e9.

SNDCGAN's generator, and a discriminator of the same convolutions that sums over positions and has batch
normalisation unless it is spectrally normalised. Weights start orthogonal. Deviations: biases keep torch's
initialisation rather than zeros, batch normalisation has eps 1e-5 rather than 1e-4, conditional gains start
at N(1, 0.02) rather than orthogonal, and sides other than StudioGAN's 32 pixels are ours.
"""

from typing import Literal

from torch import Tensor, nn

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks import sndcgan
from ganforge.networks.checks import require_positive
from ganforge.networks.critique import Critique
from ganforge.networks.heads import HeadFactory, make_head
from ganforge.networks.layers import Initialization, Layers, Normalization, global_pool

__all__ = ["Discriminator", "Generator"]


class Generator(sndcgan.Generator):
    """StudioGAN's DCGAN generator: SNDCGAN's with orthogonal weights; arguments as there."""

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 128,
        width: Count = 64,
        classes: Count | None = None,
        normalization: Normalization = None,
        initialization: Initialization = "orthogonal",
    ) -> None:
        super().__init__(image_size, channels, latent_dim, width, classes, normalization, initialization)


class Discriminator(nn.Module):
    """StudioGAN's DCGAN discriminator: seven convolutions, ReLU, sum over positions, a linear layer.

    Args:
        image_size: side of the images in pixels, or height and width; multiples of 8 from 16 on.
        channels: channels of the images.
        width: channels of the first convolution.
        classes: number of labels, or ``None``.
        normalization: ``batch`` for batch normalisation, ``spectral`` for spectral normalisation in its
            place, or ``None``.
        initialization: of all weights.
        head: makes the head; ``None`` is projection with classes and a plain logit without.

    Raises:
        GanforgeError: for another image size or normalization, a count below 1, or a head that needs classes
        and has
            none.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        width: Count = 64,
        classes: Count | None = None,
        normalization: Literal["batch", "spectral"] | None = "batch",
        initialization: Initialization = "orthogonal",
        head: HeadFactory | None = None,
    ) -> None:
        super().__init__()
        require_positive("discriminator", channels=channels, width=width, classes=classes)
        sndcgan.require_eighths("discriminator", image_size)
        if normalization not in ("batch", "spectral", None):
            raise GanforgeError(
                f"discriminator: normalization must be 'batch', 'spectral' or null, got '{normalization}'."
            )
        layers = Layers(initialization, None if normalization == "batch" else normalization)
        self.blocks = nn.Sequential()

        def append(conv: nn.Conv2d) -> None:
            norm = nn.BatchNorm2d(conv.out_channels) if normalization == "batch" else nn.Identity()
            self.blocks.extend((conv, norm, nn.ReLU()))

        inputs = channels
        for outputs in (width, 2 * width, 4 * width):
            append(layers.conv(inputs, outputs))
            append(layers.conv(outputs, outputs, 4, stride=2))
            inputs = outputs
        append(layers.conv(inputs, 8 * width))
        self.head = make_head(head, 8 * width, classes, layers)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, h, w)``, with labels ``(n,)`` where the head reads them."""
        critique: Critique = self.head(global_pool(self.blocks(images), "sum"), condition)
        return critique
