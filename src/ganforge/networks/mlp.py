"""Perceptrons: the first GAN's on flattened images (Goodfellow et al. 2014), PacGAN's on points of the plane.

Widths, pieces, initialisation and dropout are those of the authors' configurations (``mnist.yaml`` of the
first, ``synthetic_data_experiments`` of Lin et al. 2018); the papers give few of them.
"""

from itertools import pairwise
from math import prod, sqrt

from torch import Tensor, nn

from ganforge.core.annotations import Count, FractionBelowOne
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width
from ganforge.networks.critique import Critique

__all__ = ["Discriminator", "Generator", "LinearMaxout", "PointDiscriminator", "PointGenerator"]


class LinearMaxout(nn.Module):
    """The largest of ``pieces`` linear functions for each output (Goodfellow et al. 2013).

    Args:
        inputs: length of the input.
        outputs: length of the output.
        pieces: linear functions an output.
    """

    def __init__(self, inputs: int, outputs: int, pieces: int = 5) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs * pieces)
        self.pieces = pieces

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(n, inputs)`` to ``(n, outputs)``."""
        pieces: Tensor = self.linear(inputs)
        return pieces.view(len(inputs), -1, self.pieces).max(2).values


def _uniform(network: nn.Module, bound: float) -> None:
    """Weights uniform in [-bound, bound], biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)


def _normal(network: nn.Module, deviation: float) -> None:
    """Weights from N(0, deviation), biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, deviation)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _require_sizes(owner: nn.Module, **sizes: int) -> None:
    """Refuse sizes below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise GanforgeError(
                f"{type(owner).__name__}: {name} must be a whole number >= 1, got {size}; set network.{name}."
            )


class Generator(nn.Module):
    """Two ReLU layers of ``width``, then the pixels (Goodfellow et al. 2014, on MNIST).

    Pixels end in a sigmoid, which is mapped to [-1, 1]: the authors' rate is for pixels in [0, 1]. Their bias of the
    pixels starts at the data's marginals, here at zero.

    Args:
        image_size: side of the images in pixels, or height and width.
        channels: of the image.
        latent_dim: of the input.
        width: units of a hidden layer.
    """

    def __init__(self, image_size: ImageSize, channels: Count, latent_dim: Count = 100, width: Count = 1200) -> None:
        super().__init__()
        _require_sizes(self, channels=channels, latent_dim=latent_dim, width=width)
        self.latent_dim = latent_dim
        self.shape = (channels, *height_and_width(image_size))
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, prod(self.shape)),
            nn.Sigmoid(),
        )
        _uniform(self, sqrt(3 / width))  # 0.05 at the authors' width; a narrow layer passes on no less

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` to ``(n, channels, h, w)``; ``condition`` is not read."""
        pixels: Tensor = self.layers(latent)
        return pixels.view(-1, *self.shape) * 2 - 1


class Discriminator(nn.Module):
    """Two maxout layers with dropout, then the logit (Goodfellow et al. 2014, on MNIST).

    It reads pixels in [0, 1], as the authors': a black background, and a pixel that is dropped, are 0.

    Args:
        image_size: side of the images in pixels, or height and width.
        channels: of the image.
        width: maxout units of a hidden layer.
        pieces: linear functions a unit.
        dropout: of each hidden layer's output.
        input_dropout: of the pixels.

    Raises:
        GanforgeError: if a dropout is not in [0, 1), or a size below 1.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count,
        width: Count = 240,
        pieces: Count = 5,
        dropout: FractionBelowOne = 0.5,
        input_dropout: FractionBelowOne = 0.2,
    ) -> None:
        super().__init__()
        _require_sizes(self, channels=channels, width=width, pieces=pieces)
        for name, share in {"dropout": dropout, "input_dropout": input_dropout}.items():
            if not 0 <= share < 1:
                raise GanforgeError(f"Discriminator: {name} must be in [0, 1), got {share}; 0 drops nothing.")
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(input_dropout),
            LinearMaxout(channels * prod(height_and_width(image_size)), width, pieces),
            nn.Dropout(dropout),
            LinearMaxout(width, width, pieces),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(width, 1)
        _uniform(self, 0.005)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, h, w)`` images in [-1, 1]; ``condition`` is not read."""
        features: Tensor = self.layers((images + 1) / 2)
        return Critique(self.head(features).squeeze(1), features)


class PointGenerator(nn.Module):
    """Hidden layers with batch norm and ReLU, then a linear one (PacGAN's generator of 2-D mixtures).

    Args:
        channels: coordinates of a point.
        latent_dim: of the input.
        width: units of a hidden layer.
        depth: number of hidden layers.
    """

    def __init__(self, channels: Count = 2, latent_dim: Count = 2, width: Count = 400, depth: Count = 4) -> None:
        super().__init__()
        _require_sizes(self, channels=channels, latent_dim=latent_dim, width=width, depth=depth)
        self.latent_dim = latent_dim
        layers: list[nn.Module] = []
        for inputs in [latent_dim] + [width] * (depth - 1):
            layers += [
                nn.Linear(inputs, width, bias=False),
                nn.BatchNorm1d(width, momentum=0.05),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(width, channels))
        _normal(self, 0.02)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` to ``(n, channels)`` points, unbounded; ``condition`` is not read."""
        points: Tensor = self.layers(latent)
        return points


class PointDiscriminator(nn.Module):
    """Maxout layers and a linear one (PacGAN's discriminator of 2-D mixtures, whose dropout is off too).

    Args:
        channels: coordinates of a point.
        width: maxout units of a hidden layer.
        depth: number of hidden layers.
        pieces: linear functions a unit.
    """

    def __init__(self, channels: Count = 2, width: Count = 200, depth: Count = 3, pieces: Count = 5) -> None:
        super().__init__()
        _require_sizes(self, channels=channels, width=width, depth=depth, pieces=pieces)
        sizes = [channels] + [width] * depth
        self.layers = nn.Sequential(*(LinearMaxout(inputs, outputs, pieces) for inputs, outputs in pairwise(sizes)))
        self.head = nn.Linear(width, 1)
        _normal(self, 0.02)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels)`` points; ``condition`` is not read."""
        features: Tensor = self.layers(images)
        return Critique(self.head(features).squeeze(1), features)
