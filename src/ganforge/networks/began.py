"""BEGAN's networks (Berthelot, Schumm and Metz 2017, arXiv:1703.10717): plain convolutions, an autoencoder for D."""

from torch import Tensor, nn

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.checks import require_positive, square
from ganforge.networks.critique import Critique

__all__ = ["Discriminator", "Generator"]


def _scales(image_size: ImageSize) -> int:
    """Return how many sides there are from 8 pixels to ``image_size``."""
    side = square(image_size, "network=began")
    scales = side.bit_length() - 3
    if scales < 2 or 4 << scales != side:
        raise GanforgeError(f"network=began needs data.image_size to be 16, 32, 64, ..., got {side}.")
    return scales


def _pair(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ELU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ELU()]


class Generator(nn.Module):
    """A linear layer to 8 x 8, two 3x3 convolutions with ELU at each side, nearest upsampling between (figure 1).

    No normalisation and no output activation, so images are around [-1, 1] rather than in it. Weights keep torch's
    initialisation; the paper gives none. Its vanishing residuals and its skip connections, which it found to help
    larger images, are left out.

    Args:
        image_size: height and width in pixels: 8 times a power of two, from 16.
        channels: of the image.
        latent_dim: of the input.
        width: channels of every convolution (n in the paper).
    """

    def __init__(self, image_size: ImageSize, channels: Count, latent_dim: Count = 64, width: Count = 64) -> None:
        super().__init__()
        require_positive("network", channels=channels, latent_dim=latent_dim, width=width)
        self.latent_dim = latent_dim
        layers: list[nn.Module] = [nn.Linear(latent_dim, width * 64), nn.Unflatten(1, (width, 8, 8))]
        layers += _pair(width, width)
        for _ in range(_scales(image_size) - 1):
            layers += [nn.Upsample(scale_factor=2), *_pair(width, width)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` to ``(n, channels, image_size, image_size)``; ``condition`` is not read."""
        images: Tensor = self.layers(latent)
        return images


class Discriminator(nn.Module):
    """An autoencoder; logits are minus its mean absolute error over an image's values (equation 1 with eta = 1).

    The decoder is a generator. The encoder mirrors it: two convolutions at each side, a third of stride 2 between
    sides, and channels that grow by ``width`` with each.

    Args:
        image_size: height and width in pixels: 8 times a power of two, from 16.
        channels: of the image.
        width: channels of the first convolution and of the decoder.
        code: length of the code (N_h in the paper).
    """

    def __init__(self, image_size: ImageSize, channels: Count, width: Count = 64, code: Count = 64) -> None:
        super().__init__()
        require_positive("network", channels=channels, width=width, code=code)
        scales = _scales(image_size)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ELU()]
        for scale in range(1, scales):
            inside, outside = width * scale, width * (scale + 1)
            layers += [*_pair(inside, inside), nn.Conv2d(inside, outside, 3, 2, padding=1), nn.ELU()]
        layers += [*_pair(width * scales, width * scales), nn.Flatten()]
        self.encoder = nn.Sequential(*layers, nn.Linear(width * scales * 64, code))
        self.decoder = Generator(image_size, channels, code, width)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)`` images; features are the code; no condition is read."""
        code = self.encoder(images)
        error = (self.decoder(code) - images).abs().flatten(1).mean(1)
        return Critique(-error, code)
