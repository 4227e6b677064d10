"""EBGAN's networks (Zhao, Mathieu and LeCun 2017, arXiv:1609.03126): an autoencoder as discriminator.

The shapes are DCGAN's, as in the paper's appendix for images; sizes are 8, 16, 32, ... pixels.
"""

import torch
from torch import Tensor, nn

from ganforge.core.annotations import Count
from ganforge.data.images import ImageSize
from ganforge.networks import dcgan
from ganforge.networks.critique import Critique

__all__ = ["Discriminator", "Generator"]


class Generator(dcgan.Generator):
    """DCGAN's generator; arguments as there."""


class Discriminator(nn.Module):
    """An autoencoder whose reconstruction error is the energy; logits are minus the energy, so high for real.

    The energy is the norm of the error, as in the paper, whose margins are in its unit: it grows with the root of the
    number of an image's values. The code is a vector of ``code`` numbers.

    Args:
        image_size: height and width in pixels: 8 times a power of two.
        channels: of the image.
        width: channels of the layers next to the image.
        code: length of the code.
    """

    def __init__(self, image_size: ImageSize, channels: Count, width: Count = 64, code: Count = 64) -> None:
        super().__init__()
        encoder = dcgan.Discriminator(image_size, channels, width)
        self.encoder = encoder.layers
        self.code = nn.Conv2d(encoder.head.in_channels, code, 4)
        self.decoder = dcgan.Generator(image_size, channels, latent_dim=code, width=width)
        nn.init.normal_(self.code.weight, 0.0, 0.02)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)`` images; features are the code; no condition is read."""
        code = self.code(self.encoder(images)).flatten(1)
        error = torch.linalg.vector_norm((self.decoder(code) - images).flatten(1), dim=1)
        return Critique(-error, code)
