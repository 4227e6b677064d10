"""Residual blocks of SNGAN, SAGAN and BigGAN, and their trunks (Miyato et al. 2018, appendix B.4).

Shortcuts pool or upsample on the cheaper side of their 1x1 convolution: the official codes' result up to
rounding.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.networks.checks import require_sides
from ganforge.networks.layers import Layers, SelfAttention

__all__ = ["DiscriminatorBlock", "GeneratorBlock", "downward", "upward"]


class GeneratorBlock(nn.Module):
    """Residual block that doubles the side: ``(n, inputs, s, s)`` to ``(n, outputs, 2s, 2s)``.

    Args:
        inputs, outputs: channels.
        norm: makes a normalisation, called with features and condition, for a number of channels.
        layers: makes the convolutions.
        upsampling: ``bilinear`` as in mimicry or ``nearest`` as in the papers and in BigGAN.
        after: applied to the sum; self-attention, or nothing.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Callable[[int], nn.Module],
        layers: Layers,
        upsampling: Literal["bilinear", "nearest"],
        after: nn.Module,
    ) -> None:
        super().__init__()
        self.norm1 = norm(inputs)
        self.conv1 = layers.conv(inputs, outputs, gain=layers.residual_gain)
        self.norm2 = norm(outputs)
        self.conv2 = layers.conv(outputs, outputs, gain=layers.residual_gain)
        self.shortcut = layers.conv(inputs, outputs, 1)
        self.upsample = nn.Upsample(scale_factor=2, mode=upsampling)
        self.after = after

    def forward(self, features: Tensor, condition: Tensor | None) -> Tensor:
        """Map ``features`` under what the normalisations take as ``condition``."""
        hidden = self.conv1(self.upsample(F.relu(self.norm1(features, condition))))
        hidden = self.conv2(F.relu(self.norm2(hidden, condition)))
        mapped: Tensor = self.after(hidden + self.upsample(self.shortcut(features)))
        return mapped


class DiscriminatorBlock(nn.Module):
    """Residual block that may halve the side: ``(n, inputs, s, s)`` to ``(n, outputs, s / factor, ...)``.

    Args:
        inputs, hidden, outputs: channels before, between and after the two convolutions.
        factor: 2 halves the side by average pooling, 1 keeps it.
        before: the first activation; nothing in a block that reads images.
        layers: makes the convolutions.
        after: applied to the sum; self-attention, or nothing.
        rectified_shortcut: the shortcut reads what the first convolution reads: what ``before`` gives, not the block's
            input. No paper has it; in mimicry and StudioGAN as shipped an in-place ReLU does it.
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        factor: Literal[1, 2],
        before: nn.Module,
        layers: Layers,
        after: nn.Module,
        *,
        rectified_shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.rectified_shortcut = rectified_shortcut
        self.before = before
        self.conv1 = layers.conv(inputs, hidden, gain=layers.residual_gain)
        self.conv2 = layers.conv(hidden, outputs, gain=layers.residual_gain)
        self.shortcut = nn.Identity() if inputs == outputs and factor == 1 else layers.conv(inputs, outputs, 1)
        self.pool = nn.Identity() if factor == 1 else nn.AvgPool2d(factor)
        self.after = after

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features``."""
        active = self.before(features)
        hidden = self.conv2(F.relu(self.conv1(active)))
        kept = active if self.rectified_shortcut else features
        mapped: Tensor = self.after(self.pool(hidden) + self.shortcut(self.pool(kept)))
        return mapped


def upward(
    widths: Sequence[int],
    side: int,
    norm: Callable[[int], nn.Module],
    layers: Layers,
    upsampling: Literal["bilinear", "nearest"],
    attention: Collection[int],
) -> nn.ModuleList:
    """Return a generator's blocks, each doubling ``side``, from ``widths[0]`` channels to ``widths[-1]``.

    Raises:
        GanforgeError: if ``attention`` names a side that no block ends at.
    """
    sides = [side * 2 ** (index + 1) for index in range(len(widths) - 1)]
    require_sides("generator", attention, sides)
    blocks = nn.ModuleList()
    for (inputs, outputs), reached in zip(pairwise(widths), sides, strict=True):
        after = SelfAttention(outputs, layers) if reached in attention else nn.Identity()
        blocks.append(GeneratorBlock(inputs, outputs, norm, layers, upsampling, after))
    return blocks


def downward(
    widths: Sequence[int],
    side: int,
    halvings: int,
    hidden: Literal["inputs", "outputs"],
    layers: Layers,
    attention: Collection[int],
    *,
    rectified_shortcut: bool = False,
) -> nn.Sequential:
    """Return a discriminator's blocks from images of ``widths[0]`` channels to ``widths[-1]``.

    The first ``halvings`` blocks halve the side. Blocks but the first are as wide inside as their ``inputs``
    (SNGAN) or ``outputs`` (BigGAN). Attention follows the block that first reaches its side. ``rectified_shortcut``:
    see :class:`DiscriminatorBlock`.

    Raises:
        GanforgeError: if ``attention`` names a side that no halving reaches.
    """
    sides = [side // 2 ** (index + 1) for index in range(halvings)]
    require_sides("discriminator", attention, sides)
    blocks = nn.Sequential()
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        attends = index < halvings and sides[index] in attention
        blocks.append(
            DiscriminatorBlock(
                inputs,
                inputs if hidden == "inputs" and index > 0 else outputs,
                outputs,
                2 if index < halvings else 1,
                nn.ReLU() if index > 0 else nn.Identity(),
                layers,
                SelfAttention(outputs, layers) if attends else nn.Identity(),
                rectified_shortcut=rectified_shortcut,
            )
        )
    return blocks
