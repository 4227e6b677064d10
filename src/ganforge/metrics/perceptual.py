"""LPIPS: torchmetrics' network, with weights that are on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError
from ganforge.metrics.extractors.base import hub_folder, sha256

__all__ = ["Backbone", "Distance", "backbone_weights", "load_lpips"]

Backbone = Literal["vgg", "alex", "squeeze"]
#: Two ``(n, c, h, w)`` batches in [-1, 1] to ``(n,)`` distances.
Distance = Callable[[Tensor, Tensor], Tensor]


class _Lpips(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        colour = (-1, 3, -1, -1)
        distances: Tensor = self.network(first.expand(colour), second.expand(colour))
        return distances.flatten()


def backbone_weights(network: Backbone) -> tuple[Path, str]:
    """Return where torchvision looks for the backbone's weights, and the address they come from."""
    from torchvision import models

    known = {
        "vgg": models.VGG16_Weights.DEFAULT,
        "alex": models.AlexNet_Weights.DEFAULT,
        "squeeze": models.SqueezeNet1_1_Weights.DEFAULT,
    }
    address = str(known[network].url)
    return hub_folder() / Path(urlparse(address).path).name, address


def load_lpips(network: Backbone, device: torch.device) -> Distance:
    """Return LPIPS (Zhang et al. 2018) version 0.1 over ImageNet features, frozen.

    torchmetrics ships the linear weights; the backbone's are torchvision's and have to be on disk: nothing is fetched.

    Raises:
        GanforgeError: if the file is missing or its hash is not the one in its name.
    """
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    path, address = backbone_weights(network)
    if not path.is_file():
        raise GanforgeError(f"LPIPS needs the weights {path.name} in '{path.parent}': fetch them from {address}.")
    if not sha256(path).startswith(path.stem.rpartition("-")[2]):
        raise GanforgeError(f"'{path}' is damaged, its hash is not the one in its name: fetch it again from {address}.")
    torch.load(path, map_location="cpu", weights_only=True)  # torchvision unpickles freely; what passes here is tensors
    lpips = LearnedPerceptualImagePatchSimilarity(net_type=network)
    return _Lpips(lpips.net).to(device).eval().requires_grad_(False)
