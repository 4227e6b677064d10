"""GAN-INT-CLS (Reed et al. 2016, arXiv:1605.05396): a DCGAN that draws what a text says."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import require_positive, square
from ganforge.networks.critique import Critique
from ganforge.networks.text import TextEncoder, require_encoder

__all__ = ["Discriminator", "Generator"]


def _stages(image_size: ImageSize) -> int:
    """Return how often 4 pixels double to reach ``image_size``."""
    side = square(image_size, "network=gan_int_cls")
    stages = side.bit_length() - 3
    if stages < 1 or 4 << stages != side:
        raise GanforgeError(f"network=gan_int_cls needs data.image_size to be 8, 16, 32, 64, ..., got {side}.")
    return stages


def _initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-norm scales from N(1, 0.02), as in the authors' code."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def _layer(inputs: int, outputs: int, kernel: int, stride: int = 1, *, up: bool = False) -> nn.Sequential:
    """Return a convolution and its batch norm; the authors' code sets its biases to 0 before each step."""
    kind = nn.ConvTranspose2d if up else nn.Conv2d
    padding = (kernel - 1) // 2 if stride > 1 or not up else 0
    return nn.Sequential(kind(inputs, outputs, kernel, stride, padding, bias=False), nn.BatchNorm2d(outputs))


class _Bottleneck(nn.Module):
    """Residual layers through a quarter of the channels; the activation comes after the sum."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.narrow = nn.ModuleList(
            [_layer(width, width // 4, 1), _layer(width // 4, width // 4, 3), _layer(width // 4, width, 3)]
        )
        self.slope = slope

    def forward(self, maps: Tensor) -> Tensor:
        first, second, last = self.narrow
        hidden = F.leaky_relu(second(F.leaky_relu(first(maps), self.slope)), self.slope)
        return F.leaky_relu(maps + last(hidden), self.slope)


class Generator(nn.Module):
    """Fractionally-strided convolutions from the latent beside the text, with residual layers at 4 and at 8 pixels.

    The paper's network is that of 64 pixels and width 128; other sizes have more or fewer stages, as DCGAN's do.

    Args:
        image_size: height and width in pixels: 8 times a power of two.
        text: embeds the text.
        channels: of the image.
        latent_dim: of the latent alone.
        width: channels of the last hidden layer.
        projection: numbers that the text's embedding is brought down to.
    """

    def __init__(
        self,
        image_size: ImageSize,
        text: TextEncoder | None,
        channels: Count = 3,
        latent_dim: Count = 100,
        width: Count = 128,
        projection: Count = 128,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, latent_dim=latent_dim, width=width, projection=projection)
        self.text = require_encoder("network=gan_int_cls", text)
        self.project = nn.Linear(self.text.dim, projection)
        stages = _stages(image_size)
        maps = width << (stages - 1)
        layers: list[nn.Module] = [_layer(latent_dim + projection, maps, 4, up=True), _Bottleneck(maps, 0.0)]
        for stage in range(1, stages):
            layers.append(_layer(maps, maps // 2, 4, 2, up=True))
            maps //= 2
            layers.append(_Bottleneck(maps, 0.0) if stage == 1 else nn.ReLU())
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(maps, channels, 4, 2, 1, bias=False), nn.Tanh())
        self.apply(_initialise)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` and texts to images in (-1, 1); texts as :class:`TextEncoder` takes them."""
        text = F.leaky_relu(self.project(self.text(condition)), 0.2)
        images: Tensor = self.layers(torch.cat([latent, text.to(latent)], 1)[:, :, None, None])
        return images


class Discriminator(nn.Module):
    """Strided convolutions down to 4 pixels, where the text is laid beside the image's maps.

    As in the authors' code there is no activation after the second batch norm, before the last strided convolution.

    Args:
        image_size: height and width in pixels: 8 times a power of two.
        text: embeds the text.
        channels: of the image.
        width: channels of the first hidden layer; each stage doubles it.
        projection: numbers that the text's embedding is brought down to.
    """

    def __init__(
        self,
        image_size: ImageSize,
        text: TextEncoder | None,
        channels: Count = 3,
        width: Count = 64,
        projection: Count = 128,
    ) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width, projection=projection)
        self.text = require_encoder("network=gan_int_cls", text)
        self.project = nn.Sequential(nn.Linear(self.text.dim, projection), nn.BatchNorm1d(projection))
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for stage in range(1, _stages(image_size)):
            layers.append(_layer(width, 2 * width, 4, 2))
            width *= 2
            if stage == 1:
                layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, _Bottleneck(width, 0.2))
        self.joint = _layer(width + projection, width, 1)
        self.head = nn.Conv2d(width, 1, 4, bias=False)
        self.apply(_initialise)

    def embed(self, condition: Tensor | None) -> Tensor:
        """Return ``(n, dim)`` embeddings of texts, which :meth:`forward` takes in place of them."""
        embedding: Tensor = self.text(condition)
        return embedding

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)`` images in [-1, 1] with their texts."""
        maps = self.layers(images)
        text = F.leaky_relu(self.project(self.embed(condition)), 0.2)
        beside = text.to(maps)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
        joint = F.leaky_relu(self.joint(torch.cat([maps, beside], 1)), 0.2)
        return Critique(self.head(joint).flatten(), joint.flatten(1))
