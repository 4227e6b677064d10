"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN!"), after the official R3GAN code.

Residual stages of inverted bottlenecks with grouped convolutions, no normalisation: at the start each
residual branch is zero (fix-up initialisation). Weights are N(0, gain / sqrt(fan_in)); the gain is 1 outside
residual branches, and in them ``sqrt(2 / (1 + 0.2^2)) * V^(-1/4)`` for the first two convolutions, 0 for the
third, with V the number of residual blocks of the network; biases zero; the 4x4 basis of the generator N(0,
1).

As in the official code, the 4x4 stage stays in float32 under autocast and only the others run in bfloat16.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.critique import Critique
from ganforge.networks.equalized import (
    blur_kernel,
    downsample,
    full_precision,
    require_labels,
    resolutions,
    upsample,
)

__all__ = ["Discriminator", "Generator"]

_TAPS = (1, 3, 3, 1)  # the official (1, 2, 1) convolved with the box of nearest-neighbour resampling


class _Stage(NamedTuple):
    width: int
    cardinality: int
    blocks: int


def _plan(
    image_size: ImageSize,
    widths: Sequence[int] | None,
    cardinalities: Sequence[int] | None,
    blocks: Sequence[int] | None,
    expansion: int,
) -> list[_Stage]:
    """Return the stages from 4x4 up, with the official presets' values for what is ``None``."""
    sizes = resolutions("network=r3gan", image_size)
    widths = [768 * 32 // max(size, 32) for size in sizes] if widths is None else widths
    cardinalities = [max(width // 8, 1) for width in widths] if cardinalities is None else cardinalities
    blocks = [2] * len(sizes) if blocks is None else blocks
    for name, values in (("widths", widths), ("cardinalities", cardinalities), ("blocks", blocks)):
        if len(values) != len(sizes):
            raise GanforgeError(
                f"R3GAN: {name} needs {len(sizes)} values, one a size from 4 to image_size={image_size}, "
                f"got {len(values)}; give as many, or null for the paper's."
            )
    for width, cardinality in zip(widths, cardinalities, strict=True):
        if width * expansion % cardinality:
            raise GanforgeError(
                f"R3GAN: cardinalities must divide widths times expansion={expansion}, got {cardinality} "
                f"groups for a width of {width}; choose divisors."
            )
    return [_Stage(*stage) for stage in zip(widths, cardinalities, blocks, strict=True)]


def _draw(weight: Tensor, fan_in: int, gain: float = 1.0) -> None:
    nn.init.normal_(weight, std=gain / sqrt(fan_in))


class _Residual(nn.Module):
    """``x + conv1x1(lrelu(grouped conv3x3(lrelu(conv1x1(x)))))`` in ``expansion`` times the width.

    The biases of the official separate 'biased activations' are those of the first two convolutions here.
    """

    def __init__(self, width: int, cardinality: int, expansion: int, gain: float) -> None:
        super().__init__()
        inner = width * expansion
        self.widen = nn.Conv2d(width, inner, 1)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, groups=cardinality)
        self.narrow = nn.Conv2d(inner, width, 1, bias=False)
        _draw(self.widen.weight, width, gain)
        _draw(self.mix.weight, inner // cardinality * 9, gain)
        for parameter in (self.widen.bias, self.mix.bias, self.narrow.weight):
            if parameter is not None:
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.leaky_relu(self.widen(x), 0.2)
        y = self.narrow(F.leaky_relu(self.mix(y), 0.2))
        return x + y


def _residuals(plan: list[_Stage], expansion: int) -> nn.ModuleList:
    """Return one sequence of residual blocks for each stage."""
    gain = sqrt(2 / (1 + 0.2**2)) * sum(stage.blocks for stage in plan) ** -0.25
    return nn.ModuleList(
        nn.Sequential(*(_Residual(stage.width, stage.cardinality, expansion, gain) for _ in range(stage.blocks)))
        for stage in plan
    )


def _projection(inputs: int, outputs: int) -> nn.Module:
    """Return a 1x1 convolution without bias, or nothing where the width stays."""
    if inputs == outputs:
        return nn.Identity()
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    _draw(layer.weight, inputs)
    return layer


class Generator(nn.Module):
    """R3GAN's generator. All per-stage lists run from the 4x4 stage up.

    Args:
        image_size: a power of two from 8 to 1024.
        channels: of the images.
        latent_dim: of the latent.
        classes: number of classes; ``None`` for an unconditional generator.
        widths: feature maps of each stage; ``None`` for the paper's 768 up to 32x32 and half for each
            doubling after (CIFAR-10, FFHQ-64 and FFHQ-256 presets; the ImageNet presets have 1536
            throughout).
        cardinalities: groups of the 3x3 convolutions; ``None`` for ``width // 8`` (ImageNet presets: ``width
            // 16``).
        blocks: residual blocks of each stage; ``None`` for two each.
        expansion: of the width inside a residual block.
        embedding_dim: of the label, concatenated with the latent; ``None`` for ``latent_dim``.

    Raises:
        GanforgeError: for an impossible size, or lists that do not fit it or each other.
    """

    kernel: Tensor

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 64,
        classes: Count | None = None,
        widths: Sequence[Count] | None = None,
        cardinalities: Sequence[Count] | None = None,
        blocks: Sequence[Count] | None = None,
        expansion: Count = 2,
        embedding_dim: Count | None = None,
    ) -> None:
        super().__init__()
        plan = _plan(image_size, widths, cardinalities, blocks, expansion)
        self.classes = classes
        inputs = latent_dim
        if classes is not None:
            embedding_dim = latent_dim if embedding_dim is None else embedding_dim
            inputs += embedding_dim
            self.embedding = nn.Embedding(classes, embedding_dim)
            _draw(self.embedding.weight, classes)
        self.basis = nn.Parameter(torch.randn(plan[0].width, 4, 4))
        self.dense = nn.Linear(inputs, plan[0].width, bias=False)
        _draw(self.dense.weight, inputs)
        self.residuals = _residuals(plan, expansion)
        self.projections = nn.ModuleList(_projection(a.width, b.width) for a, b in pairwise(plan))
        self.to_image = nn.Conv2d(plan[-1].width, channels, 1, bias=False)
        _draw(self.to_image.weight, plan[-1].width)
        self.register_buffer("kernel", blur_kernel(_TAPS), persistent=False)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)``, labels ``(n,)`` to unbounded ``(n, channels, image_size, image_size)``."""
        with full_precision(latent):
            x = latent.to(self.basis.dtype)
            if self.classes is not None:
                x = torch.cat([x, self.embedding(require_labels(condition, self.classes))], 1)
            x = self.residuals[0](self.basis * self.dense(x)[:, :, None, None])
        for project, residual in zip(self.projections, self.residuals[1:], strict=True):
            x = residual(upsample(project(x), self.kernel))
        images: Tensor = self.to_image(x)
        return images


class Discriminator(nn.Module):
    """R3GAN's discriminator: the generator's stages in reverse; conditional by projection on a label.

    Args:
        image_size: a power of two from 8 to 1024.
        channels: of the images.
        classes: number of classes; ``None`` for an unconditional discriminator.
        widths: feature maps of each stage from 4x4 up; ``None`` as in :class:`Generator`.
        cardinalities: as in :class:`Generator`.
        blocks: as in :class:`Generator`.
        expansion: as in :class:`Generator`.
        embedding_dim: of the label; ``None`` for the width of the 4x4 stage.

    Raises:
        GanforgeError: for an impossible size, or lists that do not fit it or each other.
    """

    kernel: Tensor

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        classes: Count | None = None,
        widths: Sequence[Count] | None = None,
        cardinalities: Sequence[Count] | None = None,
        blocks: Sequence[Count] | None = None,
        expansion: Count = 2,
        embedding_dim: Count | None = None,
    ) -> None:
        super().__init__()
        plan = _plan(image_size, widths, cardinalities, blocks, expansion)[::-1]
        width = plan[-1].width
        self.classes = classes
        outputs = 1
        if classes is not None:
            outputs = width if embedding_dim is None else embedding_dim
            self.embedding = nn.Embedding(classes, outputs)
            _draw(self.embedding.weight, classes, gain=1 / sqrt(outputs))
        self.from_image = nn.Conv2d(channels, plan[0].width, 1, bias=False)
        _draw(self.from_image.weight, channels)
        self.residuals = _residuals(plan, expansion)
        self.projections = nn.ModuleList(_projection(a.width, b.width) for a, b in pairwise(plan))
        self.basis = nn.Conv2d(width, width, 4, groups=width, bias=False)
        _draw(self.basis.weight, 16)
        self.dense = nn.Linear(width, outputs, bias=False)
        _draw(self.dense.weight, width)
        self.register_buffer("kernel", blur_kernel(_TAPS), persistent=False)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)``; a conditional network needs labels ``(n,)``."""
        x = self.from_image(images)
        for residual, project in zip(self.residuals[:-1], self.projections, strict=True):
            x = project(downsample(residual(x), self.kernel))
        with full_precision(x):
            features = self.basis(self.residuals[-1](x.to(self.dense.weight.dtype))).flatten(1)
            logits = self.dense(features)
            if self.classes is not None:
                logits = logits * self.embedding(require_labels(condition, self.classes))
            return Critique(logits.sum(1), features=features)
