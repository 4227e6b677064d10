"""StarGAN (Choi et al. 2018, arXiv:1711.09020, appendix 7.2): one generator for all pairs of domains."""

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import require_labels, require_positive, square
from ganforge.networks.critique import Critique
from ganforge.networks.patch import require_multiple

__all__ = ["Discriminator", "Generator"]


def _normalised(layer: nn.Module, features: int) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(features, affine=True), nn.ReLU()]


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()

        def convolution() -> nn.Conv2d:
            return nn.Conv2d(width, width, 3, padding=1, bias=False)

        self.layers = nn.Sequential(*_normalised(convolution(), width), *_normalised(convolution(), width)[:2])

    def forward(self, maps: Tensor) -> Tensor:
        return maps + cast(Tensor, self.layers(maps))


class Generator(nn.Module):
    """Two halvings, residual blocks, two doublings; the target's label is laid over the picture as planes.

    Borders are zeros, since instance normalisation would erase constant planes under reflected ones.

    Args:
        image_size: height and width in pixels, multiples of 4; other sizes may be translated later.
        channels: of the picture.
        classes: how many domains there are.
        width: channels of the first layer.
        blocks: residual blocks.

    Raises:
        GanforgeError: if there are no classes, or the sides are no multiples of 4.
    """

    multiple = 4

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        classes: Count | None = 5,
        width: Count = 64,
        blocks: Count = 6,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width, blocks=blocks)
        require_multiple("network=stargan", image_size, self.multiple)
        self.classes = _domains(classes)
        layers = _normalised(nn.Conv2d(channels + self.classes, width, 7, padding=3, bias=False), width)
        for _ in range(2):
            layers += _normalised(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), 2 * width)
            width *= 2
        layers += [_Block(width) for _ in range(blocks)]
        for _ in range(2):
            layers += _normalised(nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), width // 2)
            width //= 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 7, padding=3, bias=False), nn.Tanh())

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Translate ``(n, channels, h, w)`` pictures, given as ``latent``, into the domains of ``(n,)`` labels."""
        planes = F.one_hot(require_labels(self, condition), self.classes).to(latent.dtype)
        planes = planes[:, :, None, None].expand(-1, -1, *latent.shape[2:])
        return cast(Tensor, self.layers(torch.cat([latent, planes], 1)))


class Discriminator(nn.Module):
    """Six halvings without normalisation; one head judges patches, the other says which domain a picture is of.

    Args:
        image_size: side in pixels, a multiple of ``2 ** halvings``.
        channels: of the picture.
        classes: how many domains there are.
        width: channels of the first layer; each doubles them.
        halvings: 6 in the paper, at 128 pixels; ``None``: so that 2 x 2 places are left, at most 6.

    Raises:
        GanforgeError: if there are no classes, or the sides are no such multiples.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        classes: Count | None = 5,
        width: Count = 64,
        halvings: Count | None = None,
    ) -> None:
        super().__init__()
        side = square(image_size, "network=stargan")
        halvings = halvings or min(6, max(1, side.bit_length() - 2))
        require_positive("network", channels=channels, width=width)
        require_multiple("network=stargan", side, 2**halvings)
        widths = [channels, *(width << stage for stage in range(halvings))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.class_head = nn.Conv2d(widths[-1], _domains(classes), side >> halvings, bias=False)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Judge ``(n, channels, h, w)`` pictures in [-1, 1], a logit a patch; ``condition`` is not read."""
        maps = self.layers(images)
        return Critique(self.head(maps).flatten(1), class_logits=self.class_head(maps).flatten(1))


def _domains(classes: int | None) -> int:
    if classes is None or classes < 2:
        raise GanforgeError(
            "network=stargan translates between the classes of a dataset, and this one has none: choose a labelled "
            "dataset, or model=cyclegan."
        )
    return classes
