"""DF-GAN (Tao et al. 2022, arXiv:2008.05865): deep fusion of text and image, and a one-way conditional head."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import require_positive, square
from ganforge.networks.critique import Critique
from ganforge.networks.text import TextEncoder, require_encoder

__all__ = ["Discriminator", "FusionBlock", "Generator"]


def _widths(image_size: ImageSize, width: int) -> list[int]:
    """Return the channels of the maps from full size down to 4 pixels: doubled at each stage, at most 8 times."""
    side = square(image_size, "network=df_gan")
    stages = side.bit_length() - 3
    if stages < 1 or 4 << stages != side:
        raise GanforgeError(f"network=df_gan needs data.image_size to be 8, 16, 32, 64, ..., got {side}.")
    return [width * min(1 << stage, 8) for stage in range(stages + 1)]


def _perceptron(inputs: int, outputs: int, start: float) -> nn.Sequential:
    """Return two linear layers whose output is ``start`` before training."""
    last = nn.Linear(outputs, outputs)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, start)
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), last)


class _Affine(nn.Module):
    """Gain and bias of each channel from the condition (equation 3); the identity before training."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.gain, self.bias = _perceptron(inputs, channels, 1.0), _perceptron(inputs, channels, 0.0)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        gain, bias = self.gain(condition)[:, :, None, None], self.bias(condition)[:, :, None, None]
        return torch.addcmul(bias, gain, maps)


class FusionBlock(nn.Module):
    """Doubles the map, then two convolutions, each after two affine maps by the condition (figure 4).

    Args:
        inputs, outputs: channels.
        condition: length of the condition.
    """

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.fusions = nn.ModuleList(
            nn.ModuleList(_Affine(condition, channels) for _ in range(2)) for channels in (inputs, outputs)
        )
        self.convolutions = nn.ModuleList(
            nn.Conv2d(*widths, 3, padding=1) for widths in ((inputs, outputs), 2 * (outputs,))
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Map ``(n, inputs, s, s)`` to ``(n, outputs, 2 s, 2 s)`` under ``(n, condition)``."""
        maps = F.interpolate(maps, scale_factor=2, mode="nearest")
        shortcut: Tensor = self.shortcut(maps)
        for fusion, convolution in zip(self.fusions, self.convolutions, strict=True):
            for affine in fusion:  # type: ignore[attr-defined]
                maps = F.leaky_relu(affine(maps, condition), 0.2)
            maps = convolution(maps)
        return shortcut + maps


class Generator(nn.Module):
    """Fusion blocks from 4 pixels up; latent and text together modulate each of them (figure 2).

    Args:
        image_size: height and width in pixels: 8 times a power of two.
        text: embeds the text.
        channels: of the image.
        latent_dim: of the latent.
        width: channels of the last block.
    """

    def __init__(
        self,
        image_size: ImageSize,
        text: TextEncoder | None,
        channels: Count = 3,
        latent_dim: Count = 100,
        width: Count = 32,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, latent_dim=latent_dim, width=width)
        self.text = require_encoder("network=df_gan", text)
        widths = _widths(image_size, width)[::-1]
        self.first = nn.Linear(latent_dim, widths[0] * 4 * 4)
        self.blocks = nn.ModuleList(FusionBlock(*two, latent_dim + self.text.dim) for two in pairwise(widths))
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` and texts to images in (-1, 1); texts as :class:`TextEncoder` takes them."""
        condition = torch.cat([latent, self.text(condition).to(latent)], 1)
        maps = self.first(latent).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            maps = block(maps, condition)
        return torch.tanh(self.last(F.leaky_relu(maps, 0.2)))


class _Halving(nn.Module):
    """Residual block that halves the map; its residual begins at 0.

    The shortcut's convolution is left out where channels stay the same: the authors' code has it there too, unused.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.LeakyReLU(0.2),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = F.avg_pool2d(self.shortcut(maps), 2)
        return torch.addcmul(shortcut, self.gain.to(shortcut.dtype), self.residual(maps))


class Discriminator(nn.Module):
    """Residual blocks down to 4 pixels, where the text is laid beside the maps: one output, of both (section 3.4).

    Args:
        image_size: height and width in pixels: 8 times a power of two.
        text: embeds the text.
        channels: of the image.
        width: channels of the first map.
    """

    def __init__(self, image_size: ImageSize, text: TextEncoder | None, channels: Count = 3, width: Count = 32) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width)
        self.text = require_encoder("network=df_gan", text)
        widths = _widths(image_size, width)
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), *(_Halving(*two) for two in pairwise(widths))
        )
        self.head = nn.Sequential(
            nn.Conv2d(widths[-1] + self.text.dim, 2 * width, 3, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 4, bias=False),
        )

    def embed(self, condition: Tensor | None) -> Tensor:
        """Return ``(n, dim)`` embeddings of texts, which :meth:`forward` takes in place of them."""
        embedding: Tensor = self.text(condition)
        return embedding

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)`` images in [-1, 1] with their texts."""
        maps = self.body(images)
        beside = self.embed(condition).to(maps)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        return Critique(self.head(torch.cat([maps, beside], 1)).flatten(), maps.flatten(1))
