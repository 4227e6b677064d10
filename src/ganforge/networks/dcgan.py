"""DCGAN (Radford, Metz and Chintala 2016, arXiv:1511.06434), for square images of 8, 16, 32, ... pixels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import square
from ganforge.networks.critique import Critique
from ganforge.networks.minibatch import MinibatchFactory

__all__ = ["Discriminator", "Generator"]


def _stages(image_size: ImageSize) -> int:
    """Return how often 4 pixels double to reach ``image_size``."""
    side = square(image_size, "network=dcgan")
    stages = side.bit_length() - 3
    if stages < 1 or 4 << stages != side:
        raise GanforgeError(f"network=dcgan needs data.image_size to be 8, 16, 32, 64, ..., got {side}.")
    return stages


def _initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-norm scales from N(1, 0.02) (section 4; the scale as in the authors' code)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class Generator(nn.Module):
    """Fractionally-strided convolutions with batch norm and ReLU, then tanh (figure 1, section 3).

    The paper's network ends at 64 pixels; other sizes have more or fewer stages. The widest layer, at 4 x 4 pixels, has
    ``width * image_size / 8`` channels and each stage halves it, so that the last hidden layer has ``width``: 64 pixels
    and width 128 are the paper's network.

    Args:
        image_size: height and width in pixels: 8 times a power of two.
        channels: of the image.
        latent_dim: of the input.
        width: channels of the last hidden layer.
    """

    def __init__(self, image_size: ImageSize, channels: Count, latent_dim: Count = 100, width: Count = 64) -> None:
        super().__init__()
        stages = _stages(image_size)
        self.latent_dim = latent_dim
        channels_in = width << (stages - 1)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim, channels_in, 4, 1, 0, bias=False),
            nn.BatchNorm2d(channels_in),
            nn.ReLU(inplace=True),
        ]
        for _ in range(stages - 1):
            layers += [
                nn.ConvTranspose2d(channels_in, channels_in // 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(channels_in // 2),
                nn.ReLU(inplace=True),
            ]
            channels_in //= 2
        layers += [nn.ConvTranspose2d(channels_in, channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialise)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` to ``(n, channels, image_size, image_size)`` in (-1, 1); ``condition`` is not
        read.
        """
        images: Tensor = self.layers(latent[:, :, None, None])
        return images


class Discriminator(nn.Module):
    """Strided convolutions with batch norm and leaky ReLU of slope 0.2 (section 3); no batch norm at the input.

    Args:
        image_size: height and width in pixels: 8 times a power of two.
        channels: of the image.
        width: channels of the first hidden layer; each stage doubles it.
        codes: lengths of InfoGAN's codes by name, which a head with one hidden layer of 128 reads from the features
            (Chen et al. 2016, appendix C.1: 1 x 1 convolution, batch norm, leaky ReLU); ``None`` for no such head.
        minibatch: makes minibatch discrimination for features of the given length; its outputs join the features
            before the last layer (Salimans et al. 2016, section 3.2). ``None`` for none.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count,
        width: Count = 64,
        codes: Mapping[str, Whole] | None = None,
        minibatch: MinibatchFactory | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for _ in range(_stages(image_size) - 1):
            layers += [
                nn.Conv2d(width, width * 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width * 2),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            width *= 2
        self.layers = nn.Sequential(*layers)
        self.head = nn.Conv2d(width, 1, 4)
        self.code_head = None if codes is None else _code_head(width * 16, sum(codes.values()))
        self.minibatch = None if minibatch is None else minibatch(width * 16)
        self.minibatch_head = None if self.minibatch is None else nn.Linear(self.minibatch.kernels, 1, bias=False)
        self.apply(_initialise)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)`` images in [-1, 1]; ``condition`` is not read."""
        features: Tensor = self.layers(images)
        flat = features.flatten(1)
        codes = None if self.code_head is None else self.code_head(flat)
        logits: Tensor = self.head(features).flatten()
        if self.minibatch is not None and self.minibatch_head is not None:
            closeness = self.minibatch(flat)
            logits = logits + self.minibatch_head(closeness).squeeze(1)  # the last layer is linear in both
            flat = torch.cat([flat, closeness], 1)
        return Critique(logits, flat, codes=codes)


def _code_head(features: int, codes: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(features, 128), nn.BatchNorm1d(128), nn.LeakyReLU(0.1, inplace=True), nn.Linear(128, codes)
    )
