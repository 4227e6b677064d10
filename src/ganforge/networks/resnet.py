"""The residual networks of SNGAN and of its relatives, in mimicry's shapes.

Spectral Normalization for GANs (Miyato et al. 2018, appendix B.4), cGANs with Projection Discriminator
(Miyato and Koyama 2018), WGAN-GP and DCGAN of the same shapes, after github.com/kwotsin/mimicry at a7fda06c.
One pair of classes:

* SNGAN: the defaults. Self-supervised GAN: ``Discriminator(classes=4, head=ClassHead)`` on rotated images.
* DCGAN: ``Discriminator(normalization=None)``. WGAN-GP: the same with ``pooling="mean"``.
* cGAN-PD: ``classes`` in both. AC-GAN: ``classes`` in both and ``head=ClassHead``.

Deviations from mimicry, in all networks here:

* Its in-place ReLU also rectifies what the shortcuts of the discriminator's blocks read, which is in no
  paper; here a shortcut reads the block's input as it is, unless ``rectified_shortcut`` is set.
* WGAN-GP's shortcuts and output convolution keep torch's initialisation there; here they are Xavier like the
  others.
"""

import math
from collections.abc import Collection
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import require_labels, require_positive, shape_for, square
from ganforge.networks.critique import Critique
from ganforge.networks.heads import HeadFactory, make_head
from ganforge.networks.layers import BatchNorm, Layers, Normalization, global_pool, label_batch_norm
from ganforge.networks.residual import downward, upward

__all__ = ["Discriminator", "Generator"]


class _Shape(NamedTuple):
    width: int
    multipliers: tuple[int, ...]  # channels before the first block and after each one, in units of width
    scale: int  # the generator's first side; how many of the discriminator's blocks halve the side


_GENERATORS = {
    32: _Shape(256, (1, 1, 1, 1), 4),
    48: _Shape(64, (8, 4, 2, 1), 6),
    64: _Shape(64, (16, 8, 4, 2, 1), 4),
    128: _Shape(64, (16, 16, 8, 4, 2, 1), 4),
}
_DISCRIMINATORS = {
    32: _Shape(128, (1, 1, 1, 1), 2),
    48: _Shape(64, (1, 2, 4, 8, 16), 4),
    64: _Shape(64, (1, 2, 4, 8, 16), 5),
    128: _Shape(64, (1, 2, 4, 8, 16, 16), 5),
}


class Generator(nn.Module):
    """SNGAN's generator; with ``classes`` its blocks' batch normalisation is conditional (cGAN-PD).

    Weights start Xavier uniform, with gain sqrt(2) for the 3x3 convolutions in blocks and 1 elsewhere.

    Args:
        image_size: side of the images in pixels: 32, 48, 64 or 128.
        channels: channels of the images.
        latent_dim: length of the latent.
        width: channels of the last block; ``None`` is the official 256 at 32 pixels and 64 at the others.
        classes: number of labels, or ``None``.
        normalization: ``spectral`` for spectrally normalised layers (SAGAN), or ``None``.
        attention: sides of the feature maps, in pixels, that self-attention follows.

    Raises:
        GanforgeError: for another image size, an attention side that no block ends at, or a count below 1.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 128,
        width: Count | None = None,
        classes: Count | None = None,
        normalization: Normalization = None,
        attention: Collection[Count] = (),
    ) -> None:
        super().__init__()
        require_positive("generator", channels=channels, latent_dim=latent_dim, width=width, classes=classes)
        shape = shape_for("generator", _GENERATORS, square(image_size, "network=resnet"))
        widths = [(width or shape.width) * multiplier for multiplier in shape.multipliers]
        layers = Layers("xavier", normalization, residual_gain=math.sqrt(2), attention="torch")
        norm = partial(label_batch_norm, classes=classes)
        self.classes = classes
        self.start = layers.linear(latent_dim, widths[0] * shape.scale**2)
        self.unflatten = nn.Unflatten(1, (widths[0], shape.scale, shape.scale))
        self.blocks = upward(widths, shape.scale, norm, layers, "bilinear", attention)
        self.norm = BatchNorm(widths[-1])
        self.output = layers.conv(widths[-1], channels)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` and labels ``(n,)`` to images in [-1, 1]; missing labels: GanforgeError."""
        labels = None if self.classes is None else require_labels(self, condition)
        features = self.unflatten(self.start(latent))
        for block in self.blocks:
            features = block(features, labels)
        return torch.tanh(self.output(F.relu(self.norm(features))))


class Discriminator(nn.Module):
    """SNGAN's discriminator, with a head for labels.

    Weights start Xavier uniform, with gain sqrt(2) for the 3x3 convolutions in blocks and 1 elsewhere.

    Args:
        image_size: side of the images in pixels: 32, 48, 64 or 128.
        channels: channels of the images.
        width: channels of the first block; ``None`` is the official 128 at 32 pixels and 64 at the others.
            (At 128 pixels mimicry's cGAN-PD and SAGAN default to ``width=8``, an eighth of the paper's and
            of its own SNGAN.)
        classes: number of labels, or ``None``.
        normalization: ``spectral`` for SNGAN; ``None`` for WGAN-GP and DCGAN.
        head: makes the head; ``None`` is projection with classes and a plain logit without.
        pooling: over positions, ``sum``, or ``mean`` as in WGAN-GP.
        attention: sides of the feature maps, in pixels, that self-attention follows.
        rectified_shortcut: shortcuts read rectified features, as in mimicry and in no paper.

    Raises:
        GanforgeError: for another image size, an attention side that no block reaches, a count below 1, or a
        head
            that needs classes and has none.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        width: Count | None = None,
        classes: Count | None = None,
        normalization: Normalization = "spectral",
        head: HeadFactory | None = None,
        pooling: Literal["sum", "mean"] = "sum",
        attention: Collection[Count] = (),
        rectified_shortcut: bool = False,
    ) -> None:
        super().__init__()
        require_positive("discriminator", channels=channels, width=width, classes=classes)
        side = square(image_size, "network=resnet")
        shape = shape_for("discriminator", _DISCRIMINATORS, side)
        if pooling not in ("sum", "mean"):
            raise GanforgeError(f"discriminator: pooling must be 'sum' or 'mean', got '{pooling}'.")
        widths = [channels, *((width or shape.width) * multiplier for multiplier in shape.multipliers)]
        layers = Layers("xavier", normalization, residual_gain=math.sqrt(2), attention="torch")
        self.pooling: Literal["sum", "mean"] = pooling
        self.rectified_shortcut = rectified_shortcut
        self.blocks = downward(
            widths, side, shape.scale, "inputs", layers, attention, rectified_shortcut=rectified_shortcut
        )
        self.head = make_head(head, widths[-1], classes, layers)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)``, with labels ``(n,)`` where the head reads them."""
        features = global_pool(F.relu(self.blocks(images)), self.pooling)
        critique: Critique = self.head(features, condition)
        return critique
