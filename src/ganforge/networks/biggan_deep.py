"""BigGAN-deep (Brock et al. 2019, appendix B, table 7) after github.com/ajbrock/BigGAN-PyTorch at 98459431.

Bottleneck blocks, shortcuts that drop or add channels instead of projecting them, and the whole latent
beside the label's embedding in every batch normalisation. ImageNet 128: ``image_size=128, width=128,
attention=[64], classes=1000``. StudioGAN's at 64 pixels differs in the generator: ``multipliers=[16, 8, 4,
2, 1]``; at 32 pixels it has ``attention=[16]``. Weights start orthogonal. Unconditional networks are ours,
and attention counts sides as in :mod:`ganforge.networks.biggan`.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.biggan import generator_multipliers
from ganforge.networks.checks import require_labels, require_positive, require_sides, shape_for, square
from ganforge.networks.critique import Critique
from ganforge.networks.heads import HeadFactory, make_head
from ganforge.networks.layers import (
    BatchNorm,
    ConditionalBatchNorm,
    Initialization,
    Layers,
    Normalization,
    SelfAttention,
    global_pool,
)

__all__ = ["Discriminator", "Generator"]

_DISCRIMINATORS = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}
_HALVINGS = {32: 2, 64: 4, 128: 5, 256: 6}


def _narrow(width: int) -> int:
    return max(1, width // 4)


class _GeneratorBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, factor: int, vector: int, layers: Layers) -> None:
        super().__init__()
        hidden = _narrow(inputs)

        def norm(features: int) -> ConditionalBatchNorm:
            gain, bias = (layers.linear(vector, features, bias=False) for _ in range(2))
            return ConditionalBatchNorm(features, gain, bias)

        self.outputs = outputs
        self.norms = nn.ModuleList([norm(inputs), norm(hidden), norm(hidden), norm(hidden)])
        self.convs = nn.ModuleList(
            [
                layers.conv(inputs, hidden, 1),
                layers.conv(hidden, hidden),
                layers.conv(hidden, hidden),
                layers.conv(hidden, outputs, 1),
            ]
        )
        self.upsample = nn.Identity() if factor == 1 else nn.Upsample(scale_factor=factor)

    def forward(self, features: Tensor, vector: Tensor) -> Tensor:
        hidden = features
        for index, (norm, conv) in enumerate(zip(self.norms, self.convs, strict=True)):
            hidden = F.relu(norm(hidden, vector))
            hidden = conv(self.upsample(hidden) if index == 1 else hidden)
        kept: Tensor = self.upsample(features[:, : self.outputs])
        return hidden + kept


class _DiscriminatorBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, factor: Literal[1, 2], layers: Layers) -> None:
        super().__init__()
        hidden = _narrow(outputs)
        self.residual = nn.Sequential(
            nn.ReLU(),
            layers.conv(inputs, hidden, 1),
            nn.ReLU(),
            layers.conv(hidden, hidden),
            nn.ReLU(),
            layers.conv(hidden, hidden),
            nn.ReLU(),
            nn.Identity() if factor == 1 else nn.AvgPool2d(factor),
            layers.conv(hidden, outputs, 1),
        )
        self.pool = nn.Identity() if factor == 1 else nn.AvgPool2d(factor)
        self.extra = layers.conv(inputs, outputs - inputs, 1) if outputs > inputs else None

    def forward(self, features: Tensor) -> Tensor:
        kept: Tensor = self.pool(features)
        if self.extra is not None:
            kept = torch.cat([kept, self.extra(kept)], 1)
        residual: Tensor = self.residual(features)
        return residual + kept


class Generator(nn.Module):
    """BigGAN-deep's generator.

    Args:
        image_size: side of the images in pixels: 32, 64, 128 or 256.
        channels: channels of the images.
        latent_dim: length of the latent.
        width: unit of the channels ("ch"); 128 in the paper.
        classes: number of labels, or ``None``; then the latent alone modulates.
        shared_dim: length of the labels' embedding.
        depth: blocks per doubling of the side; the last of them doubles it.
        attention: sides of the feature maps, in pixels, that self-attention follows.
        multipliers: channels at 4 pixels and after each doubling in units of ``width``, not increasing;
            ``None`` is the published list.
        normalization: ``spectral``, or ``None``; the label embedding is never normalised.
        initialization: of all weights.

    Raises:
        GanforgeError: for another image size, increasing multipliers, an attention side that no block ends
        at, or a
            count below 1.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 128,
        width: Count = 128,
        classes: Count | None = None,
        shared_dim: Count = 128,
        depth: Count = 2,
        attention: Collection[Count] = (),
        multipliers: Sequence[Count] | None = None,
        normalization: Normalization = "spectral",
        initialization: Initialization = "orthogonal",
    ) -> None:
        super().__init__()
        require_positive("generator", channels=channels, latent_dim=latent_dim, width=width, depth=depth)
        require_positive("generator", classes=classes, shared_dim=shared_dim)
        side = square(image_size, "network=biggan_deep")
        widths = [width * multiplier for multiplier in generator_multipliers(side, multipliers)]
        if any(after > before for before, after in pairwise(widths)):
            raise GanforgeError("generator: multipliers must not increase, for shortcuts drop channels; reorder them.")
        sides = [4 * 2 ** (stage + 1) for stage in range(len(widths) - 1)]
        require_sides("generator", attention, sides)
        layers = Layers(initialization, normalization)
        vector = latent_dim + (0 if classes is None else shared_dim)
        self.shared = None if classes is None else Layers(initialization, None).embedding(classes, shared_dim)
        self.start = layers.linear(vector, widths[0] * 16)
        self.unflatten = nn.Unflatten(1, (widths[0], 4, 4))
        self.blocks = nn.ModuleList()
        for (inputs, outputs), side in zip(pairwise(widths), sides, strict=True):
            for _ in range(depth - 1):
                self.blocks.append(_GeneratorBlock(inputs, inputs, 1, vector, layers))
            self.blocks.append(_GeneratorBlock(inputs, outputs, 2, vector, layers))
            if side in attention:
                self.blocks.append(SelfAttention(outputs, layers))
        self.norm = BatchNorm(widths[-1])
        self.output = layers.conv(widths[-1], channels)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` and labels ``(n,)`` to images in [-1, 1]; missing labels: GanforgeError."""
        vector = latent
        if self.shared is not None:
            vector = torch.cat([self.shared(require_labels(self, condition)), latent], 1)
        features = self.unflatten(self.start(vector))
        for block in self.blocks:
            features = block(features) if isinstance(block, SelfAttention) else block(features, vector)
        return torch.tanh(self.output(F.relu(self.norm(features))))


class Discriminator(nn.Module):
    """BigGAN-deep's discriminator, with projection where there are classes.

    Args:
        image_size: side of the images in pixels: 32, 64, 128 or 256.
        channels: channels of the images.
        width: unit of the channels ("ch"); 128 in the paper.
        classes: number of labels, or ``None``.
        depth: blocks per stage; the first of them halves the side.
        attention: sides of the feature maps, in pixels, that self-attention follows.
        normalization: ``spectral``, or ``None``.
        initialization: of all weights.
        head: makes the head; ``None`` is projection with classes and a plain logit without.

    Raises:
        GanforgeError: for another image size, an attention side that no block reaches, a count below 1, or a
        head
            that needs classes and has none.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        width: Count = 128,
        classes: Count | None = None,
        depth: Count = 2,
        attention: Collection[Count] = (),
        normalization: Normalization = "spectral",
        initialization: Initialization = "orthogonal",
        head: HeadFactory | None = None,
    ) -> None:
        super().__init__()
        require_positive("discriminator", channels=channels, width=width, classes=classes, depth=depth)
        side = square(image_size, "network=biggan_deep")
        multipliers = shape_for("discriminator", _DISCRIMINATORS, side)
        widths = [width * multiplier for multiplier in multipliers]
        sides = [side // 2 ** (stage + 1) for stage in range(_HALVINGS[side])]
        require_sides("discriminator", attention, sides)
        layers = Layers(initialization, normalization)
        self.blocks = nn.Sequential(layers.conv(channels, widths[0]))
        for stage, (inputs, outputs) in enumerate(pairwise(widths)):
            halves = stage < len(sides)
            self.blocks.append(_DiscriminatorBlock(inputs, outputs, 2 if halves else 1, layers))
            self.blocks.extend(_DiscriminatorBlock(outputs, outputs, 1, layers) for _ in range(depth - 1))
            if halves and sides[stage] in attention:
                self.blocks.append(SelfAttention(outputs, layers))
        self.head = make_head(head, widths[-1], classes, layers)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)``, with labels ``(n,)`` where the head reads them."""
        critique: Critique = self.head(global_pool(F.relu(self.blocks(images)), "sum"), condition)
        return critique
