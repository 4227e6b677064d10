"""Self-Attention GAN (Zhang et al. 2019) in mimicry's shapes: SNGAN's with spectral norm and self-attention.

Deviations: those of :mod:`ganforge.networks.resnet`; and mimicry has 32 and 128 pixels only, so that the
places of attention at 48 and 64 are ours (two thirds and three quarters up the generator, after two blocks
of the discriminator). Attention starts with torch's uniform initialisation, as there, the other layers with Xavier's.
"""

from collections.abc import Collection

from ganforge.core.annotations import Count
from ganforge.data.images import ImageSize
from ganforge.networks import resnet
from ganforge.networks.checks import shape_for, square
from ganforge.networks.heads import HeadFactory
from ganforge.networks.layers import Normalization

__all__ = ["Discriminator", "Generator"]

_GENERATOR_SIDES = {32: (16,), 48: (24,), 64: (32,), 128: (32,)}
_DISCRIMINATOR_SIDES = {32: (8,), 48: (12,), 64: (16,), 128: (32,)}


class Generator(resnet.Generator):
    """SNGAN's generator with spectral normalisation and self-attention.

    Args:
        image_size, channels, latent_dim, width, classes, normalization: see :class:`resnet.Generator`.
        attention: sides of the feature maps that self-attention follows; ``None`` is 16 at 32 pixels, 32 at
            128.

    Raises:
        GanforgeError: see :class:`resnet.Generator`.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 128,
        width: Count | None = None,
        classes: Count | None = None,
        normalization: Normalization = "spectral",
        attention: Collection[Count] | None = None,
    ) -> None:
        side = square(image_size, "network=sagan")
        sides = shape_for("generator", _GENERATOR_SIDES, side) if attention is None else attention
        super().__init__(side, channels, latent_dim, width, classes, normalization, sides)


class Discriminator(resnet.Discriminator):
    """SNGAN's discriminator with self-attention and, with classes, projection.

    Args:
        image_size, channels, width, classes, normalization, head, rectified_shortcut: see
            :class:`resnet.Discriminator`.
        attention: sides of the feature maps that self-attention follows; ``None`` is 8 at 32 pixels, 32 at
            128.

    Raises:
        GanforgeError: see :class:`resnet.Discriminator`.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        width: Count | None = None,
        classes: Count | None = None,
        normalization: Normalization = "spectral",
        head: HeadFactory | None = None,
        attention: Collection[Count] | None = None,
        rectified_shortcut: bool = False,
    ) -> None:
        side = square(image_size, "network=sagan")
        sides = shape_for("discriminator", _DISCRIMINATOR_SIDES, side) if attention is None else attention
        super().__init__(
            side,
            channels,
            width,
            classes,
            normalization,
            head,
            attention=sides,
            rectified_shortcut=rectified_shortcut,
        )
