"""InfoMax-GAN's discriminator (Lee et al. 2021, arXiv:2007.04589), in mimicry's shapes; the generator is SNGAN's."""

from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.data.images import ImageSize
from ganforge.networks import resnet
from ganforge.networks.checks import require_positive
from ganforge.networks.critique import Critique
from ganforge.networks.layers import Layers, global_pool

__all__ = ["Discriminator", "Generator"]


class Generator(resnet.Generator):
    """SNGAN's generator; arguments as there."""


class Discriminator(resnet.Discriminator):
    """SNGAN's discriminator with embeddings of the image and of its places, for :class:`InfoMax`.

    Places are what the last block but one gives, the image is the pooled output of the last block; each is embedded by
    a two-layer network with a linear shortcut, spectrally normalised like the rest. Both embeddings are computed where
    a loss reads them, as in mimicry: of generated images in the generator's phases alone. With ``rectified_shortcut``
    places are rectified before they are embedded, which mimicry's in-place ReLU does as well.

    Args:
        image_size, channels, width: see :class:`ganforge.networks.resnet.Discriminator`.
        dim: length of an embedding (R in the paper).
        **others: see :class:`ganforge.networks.resnet.Discriminator`.
    """

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        width: Count | None = None,
        dim: Count = 1024,
        **others: Any,
    ) -> None:
        super().__init__(image_size, channels, width, **others)
        require_positive("discriminator", dim=dim)
        layers = Layers("xavier", others.get("normalization", "spectral"))
        last = self.blocks[-1]
        assert isinstance(last.conv1, nn.Conv2d)
        assert isinstance(last.conv2, nn.Conv2d)
        self.embed_place = _Embed(layers, last.conv1.in_channels, dim)
        self.embed_image = _Embed(layers, last.conv2.out_channels, dim)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)``, with labels ``(n,)`` where the head reads them."""
        places = self.blocks[:-1](images)
        features = global_pool(F.relu(self.blocks[-1](places)), self.pooling)
        critique: Critique = self.head(features, condition)
        return critique._replace(
            embedding=cache(lambda: self.embed_image(features[:, :, None, None]).flatten(1)),
            local_embeddings=cache(
                lambda: self.embed_place(F.relu(places) if self.rectified_shortcut else places).flatten(2)
            ),
        )


class _Embed(nn.Module):
    """``(n, inputs, h, w)`` to ``(n, dim, h, w)``, each place by itself."""

    def __init__(self, layers: Layers, inputs: int, dim: int) -> None:
        super().__init__()
        self.first = layers.conv(inputs, inputs, 1)
        self.second = layers.conv(inputs, dim, 1)
        self.shortcut = layers.conv(inputs, dim, 1)

    def forward(self, features: Tensor) -> Tensor:
        embedded: Tensor = self.second(F.relu(self.first(features))) + self.shortcut(features)
        return embedded
