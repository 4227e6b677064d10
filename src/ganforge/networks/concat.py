"""Conditioning by concatenation (Mirza and Osindero 2014, arXiv:1411.1784), around any generator and discriminator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.networks.critique import Critique

__all__ = ["Discriminator", "Generator"]


def _one_hot(owner: nn.Module, condition: Tensor | None, classes: int) -> Tensor:
    if condition is None:
        raise GanforgeError(
            f"networks.concat.{type(owner).__name__} needs labels: set conditioning=label, or choose another network."
        )
    return F.one_hot(condition, classes)


def _require_classes(classes: int | None) -> int:
    if classes is None:
        raise GanforgeError(
            "network=dcgan_concat needs class labels, and data has none (data.classes is null): choose a labelled "
            "dataset, or network=dcgan."
        )
    return classes


class Generator(nn.Module):
    """Gives a generator the one-hot label beside the latent.

    Args:
        network: makes the generator from ``latent_dim``, which counts the label too.
        classes: number of classes.
        latent_dim: of the latent alone.
    """

    def __init__(self, network: Callable[..., nn.Module], classes: Count | None, latent_dim: Count) -> None:
        super().__init__()
        self.classes, self.latent_dim = _require_classes(classes), latent_dim
        self.network = network(latent_dim=latent_dim + self.classes)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map ``(n, latent_dim)`` and labels ``(n,)`` to images."""
        images: Tensor = self.network(torch.cat([latent, _one_hot(self, condition, self.classes).to(latent)], 1))
        return images


class Discriminator(nn.Module):
    """Gives a discriminator one plane a class beside the image's channels: ones for the label's, zeros elsewhere.

    Args:
        network: makes the discriminator from ``channels``, which counts the planes too.
        classes: number of classes.
        channels: of the image alone.
    """

    def __init__(self, network: Callable[..., nn.Module], classes: Count | None, channels: Count) -> None:
        super().__init__()
        self.classes = _require_classes(classes)
        self.network = network(channels=channels + self.classes)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, h, w)`` images with labels ``(n,)``."""
        planes = _one_hot(self, condition, self.classes).to(images)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        critique: Critique = self.network(torch.cat([images, planes], 1))
        return critique
