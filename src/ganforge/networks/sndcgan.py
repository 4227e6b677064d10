"""SNDCGAN, the convolutional networks of Spectral Normalization for GANs (Miyato et al. 2018, table 3).

The generator starts at an eighth of the image's side; the discriminator has seven convolutions and a linear
layer on the flattened last map. Weights start N(0, 0.02) as in the authors' Chainer code. Where that code
and the paper differ we follow the paper: no batch normalisation before the first transposed convolution, and
leaky ReLU of slope 0.1. Any side that is a multiple of 8 works; the paper has 32 and 48. Conditioning is
ours, after cGAN-PD.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.checks import require_labels, require_positive
from ganforge.networks.critique import Critique
from ganforge.networks.heads import HeadFactory, make_head
from ganforge.networks.layers import Initialization, Layers, Normalization, label_batch_norm

__all__ = ["Discriminator", "Generator", "require_eighths"]


def require_eighths(owner: str, image_size: ImageSize) -> tuple[int, int]:
    """Return an eighth of height and width; GanforgeError if one is not a multiple of 8 from 16 on."""
    height, width = height_and_width(image_size)
    if min(height, width) < 16 or height % 8 or width % 8:
        raise GanforgeError(
            f"{owner}: image_size={image_size} cannot be halved three times; choose 16, 24, 32, 40, ..."
        )
    return height // 8, width // 8


class Generator(nn.Module):
    """SNDCGAN's generator: a linear layer, three transposed convolutions and a convolution.

    Args:
        image_size: side of the images in pixels, or height and width; multiples of 8 from 16 on.
        channels: channels of the images.
        latent_dim: length of the latent.
        width: channels before the last convolution.
        classes: number of labels for conditional batch normalisation, or ``None``.
        normalization: ``spectral``, or ``None``.
        initialization: of all weights.

    Raises:
        GanforgeError: for another image size, or a count below 1.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 128,
        width: Count = 64,
        classes: Count | None = None,
        normalization: Normalization = None,
        initialization: Initialization = "normal",
    ) -> None:
        super().__init__()
        require_positive("generator", channels=channels, latent_dim=latent_dim, width=width, classes=classes)
        height, breadth = require_eighths("generator", image_size)
        layers = Layers(initialization, normalization)
        self.classes = classes
        self.start = layers.linear(latent_dim, 8 * width * height * breadth)
        self.unflatten = nn.Unflatten(1, (8 * width, height, breadth))
        outputs = (4 * width, 2 * width, width)
        self.convs = nn.ModuleList(layers.upconv(2 * features, features) for features in outputs)
        self.norms = nn.ModuleList(label_batch_norm(features, classes) for features in outputs)
        self.output = layers.conv(width, channels)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` and labels ``(n,)`` to images in [-1, 1]; missing labels: GanforgeError."""
        labels = None if self.classes is None else require_labels(self, condition)
        features = self.unflatten(self.start(latent))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            features = F.relu(norm(conv(features), labels))
        return torch.tanh(self.output(features))


class Discriminator(nn.Module):
    """SNDCGAN's discriminator: seven convolutions, leaky ReLU, a linear layer on all positions.

    Args:
        image_size: side of the images in pixels, or height and width; multiples of 8 from 16 on.
        channels: channels of the images.
        width: channels of the first convolution.
        classes: number of labels, or ``None``.
        normalization: ``spectral``, or ``None``.
        initialization: of all weights.
        head: makes the head; ``None`` is projection with classes and a plain logit without.

    Raises:
        GanforgeError: for another image size, a count below 1, or a head that needs classes and has none.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        width: Count = 64,
        classes: Count | None = None,
        normalization: Normalization = "spectral",
        initialization: Initialization = "normal",
        head: HeadFactory | None = None,
    ) -> None:
        super().__init__()
        require_positive("discriminator", channels=channels, width=width, classes=classes)
        height, breadth = require_eighths("discriminator", image_size)
        layers = Layers(initialization, normalization)
        self.convs = nn.ModuleList()
        inputs = channels
        for outputs in (width, 2 * width, 4 * width):
            self.convs.extend((layers.conv(inputs, outputs), layers.conv(outputs, outputs, 4, stride=2)))
            inputs = outputs
        self.convs.append(layers.conv(inputs, 8 * width))
        self.head = make_head(head, 8 * width * height * breadth, classes, layers)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, h, w)``, with labels ``(n,)`` where the head reads them."""
        features = images
        for conv in self.convs:
            features = F.leaky_relu(conv(features), 0.1)
        critique: Critique = self.head(features.flatten(1), condition)
        return critique
