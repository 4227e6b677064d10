"""BigGAN (Brock et al. 2019, appendix B) after github.com/ajbrock/BigGAN-PyTorch at 98459431.

* BigGAN-PyTorch's CIFAR-10 run: the defaults with ``classes=10``.
* ImageNet 128: ``image_size=128, width=96, latent_dim=120, shared_dim=128, attention=[64], classes=1000``.
* StudioGAN's CIFAR-10 (947b35e9): ``width=96, latent_dim=80, shared_dim=128, attention=[16]`` for the
  generator and ``width=48, attention=[16]`` for the discriminator (StudioGAN counts its discriminator's
  width at 32 pixels in halves); ReACGAN and ContraGAN add ``head=Contrastive``. Its generator at 64 pixels:
  ``multipliers=[16, 8, 4, 2, 1]``.

Weights start orthogonal. Deviations: in BigGAN-PyTorch's table all maps of the discriminator at 32 pixels
count as 16, so that its ``attention=16`` would act four times, whereas here a side is the map's side;
StudioGAN's batch normalisation has eps 1e-4 and its biases start at 0; unconditional networks without
``shared_dim`` are ours.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import require_labels, require_positive, shape_for, square
from ganforge.networks.critique import Critique
from ganforge.networks.heads import HeadFactory, make_head
from ganforge.networks.layers import BatchNorm, ConditionalBatchNorm, Initialization, Layers, Normalization, global_pool
from ganforge.networks.residual import downward, upward

__all__ = ["Discriminator", "Generator", "generator_multipliers"]

_GENERATORS = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}
_DISCRIMINATORS = {
    32: (4, 4, 4, 4),
    64: (1, 2, 4, 8, 16),
    128: (1, 2, 4, 8, 16, 16),
    256: (1, 2, 4, 8, 8, 16, 16),
}
_HALVINGS = {32: 2, 64: 4, 128: 5, 256: 6}


def generator_multipliers(image_size: int, multipliers: Sequence[int] | None) -> Sequence[int]:
    """Return a generator's channels at 4 pixels and after each doubling, in units of its width.

    Raises:
        GanforgeError: for an image size without a shape, or ``multipliers`` of another length or below 1.
    """
    published = shape_for("generator", _GENERATORS, image_size)
    chosen = published if multipliers is None else multipliers
    if len(chosen) != len(published) or min(chosen) < 1:
        raise GanforgeError(
            f"generator: image_size={image_size} needs {len(published)} multipliers >= 1, got {list(chosen)}."
        )
    return chosen


class Generator(nn.Module):
    """BigGAN's generator.

    With ``shared_dim`` the latent is hierarchical: it is cut in equal chunks, the first starts the network,
    and each block's batch normalisations read the next one beside the label's shared embedding, through
    linear layers. With ``shared_dim=None`` the whole latent starts the network and each normalisation has
    label embeddings of its own.

    Args:
        image_size: side of the images in pixels: 32, 64, 128 or 256.
        channels: channels of the images.
        latent_dim: length of the latent; a multiple of blocks + 1 if ``shared_dim`` is set (4, 5, 6, 7 by
            size).
        width: unit of the channels ("ch"): 64 for CIFAR-10, 96 for ImageNet.
        classes: number of labels, or ``None``; then chunks alone modulate, or nothing does.
        shared_dim: length of the shared embedding, or ``None``.
        attention: sides of the feature maps, in pixels, that self-attention follows.
        multipliers: channels at 4 pixels and after each block in units of ``width``; ``None`` is the
            published list.
        normalization: ``spectral``, or ``None``; label embeddings are never normalised.
        initialization: ``orthogonal``, or ``normal`` or ``xavier`` as in the CIFAR-10 scripts.

    Raises:
        GanforgeError: for another image size, a latent that cannot be cut, an attention side that no block
        ends at,
            or a count below 1.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 128,
        width: Count = 64,
        classes: Count | None = None,
        shared_dim: Count | None = None,
        attention: Collection[Count] = (),
        multipliers: Sequence[Count] | None = None,
        normalization: Normalization = "spectral",
        initialization: Initialization = "orthogonal",
    ) -> None:
        super().__init__()
        require_positive("generator", channels=channels, latent_dim=latent_dim, width=width)
        require_positive("generator", classes=classes, shared_dim=shared_dim)
        side = square(image_size, "network=biggan")
        widths = [width * multiplier for multiplier in generator_multipliers(side, multipliers)]
        slots = len(widths) if shared_dim is not None else 1
        if latent_dim % slots:
            raise GanforgeError(
                f"generator: latent_dim={latent_dim} cannot be cut in {slots} chunks; "
                f"choose a multiple of {slots}, or shared_dim=null."
            )
        layers = Layers(initialization, normalization)
        tables = Layers(initialization, None)
        self.classes = classes
        self.chunk = latent_dim // slots
        self.shared: nn.Embedding | None = None
        vector = self.chunk
        if classes is not None and shared_dim is not None:
            self.shared = tables.embedding(classes, shared_dim)
            vector += shared_dim

        def norm(features: int) -> nn.Module:
            if shared_dim is not None:
                gain, bias = (layers.linear(vector, features, bias=False) for _ in range(2))
                return ConditionalBatchNorm(features, gain, bias)
            if classes is not None:
                table, shift = (tables.embedding(classes, features) for _ in range(2))
                return ConditionalBatchNorm(features, table, shift)
            return BatchNorm(features)

        self.start = layers.linear(self.chunk, widths[0] * 16)
        self.unflatten = nn.Unflatten(1, (widths[0], 4, 4))
        self.blocks = upward(widths, 4, norm, layers, "nearest", attention)
        self.norm = BatchNorm(widths[-1])
        self.output = layers.conv(widths[-1], channels)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` and labels ``(n,)`` to images in [-1, 1]; missing labels: GanforgeError."""
        labels = None if self.classes is None else require_labels(self, condition)
        first, *rest = torch.split(latent, self.chunk, 1)
        conditions: Sequence[Tensor | None] = rest or [labels] * len(self.blocks)
        if self.shared is not None:
            shared = self.shared(labels)
            conditions = [torch.cat([shared, chunk], 1) for chunk in rest]
        features = self.unflatten(self.start(first))
        for block, vector in zip(self.blocks, conditions, strict=True):
            features = block(features, vector)
        return torch.tanh(self.output(F.relu(self.norm(features))))


class Discriminator(nn.Module):
    """BigGAN's discriminator: SNGAN's with wide blocks, and projection where there are classes.

    Args:
        image_size: side of the images in pixels: 32, 64, 128 or 256.
        channels: channels of the images.
        width: unit of the channels ("ch"): 64 for CIFAR-10, 96 for ImageNet.
        classes: number of labels, or ``None``.
        attention: sides of the feature maps, in pixels, that self-attention follows.
        normalization: ``spectral``, or ``None``.
        initialization: ``orthogonal``, or ``normal`` or ``xavier`` as in the CIFAR-10 scripts.
        head: makes the head; ``None`` is projection with classes and a plain logit without.
        rectified_shortcut: shortcuts read rectified features, as in StudioGAN and in no paper.

    Raises:
        GanforgeError: for another image size, an attention side that no block reaches, a count below 1, or a
        head
            that needs classes and has none.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        width: Count = 64,
        classes: Count | None = None,
        attention: Collection[Count] = (),
        normalization: Normalization = "spectral",
        initialization: Initialization = "orthogonal",
        head: HeadFactory | None = None,
        rectified_shortcut: bool = False,
    ) -> None:
        super().__init__()
        require_positive("discriminator", channels=channels, width=width, classes=classes)
        side = square(image_size, "network=biggan")
        multipliers = shape_for("discriminator", _DISCRIMINATORS, side)
        widths = [channels, *(width * multiplier for multiplier in multipliers)]
        layers = Layers(initialization, normalization)
        self.blocks = downward(
            widths, side, _HALVINGS[side], "outputs", layers, attention, rectified_shortcut=rectified_shortcut
        )
        self.head = make_head(head, widths[-1], classes, layers)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)``, with labels ``(n,)`` where the head reads them."""
        critique: Critique = self.head(global_pool(F.relu(self.blocks(images)), "sum"), condition)
        return critique
