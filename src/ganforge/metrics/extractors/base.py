"""The base of feature extractors: named, loaded on demand, with the hash of their weights."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError

__all__ = [
    "Extractor",
    "Features",
    "InParts",
    "Loaded",
    "as_colour",
    "hub_folder",
    "require_grey_or_colour",
    "sha256",
    "weight_file",
]


class Features(NamedTuple):
    """What an extractor makes of ``n`` images: ``(n, d)`` features and ``(n, classes)`` logits, float32.

    A network without classes has ``(n, 0)`` logits.
    """

    features: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Loaded:
    """An extractor ready for use.

    Attributes:
        module: maps ``(n, c, h, w)`` uint8 images of 1 or 3 channels to :class:`Features`; in evaluation mode, frozen.
        dimensions: number of features.
        weights: the first 16 hexadecimal digits of the weight file's sha256.
        classes: number of logits; 0 for a network without classes.
    """

    module: nn.Module
    dimensions: int
    weights: str
    classes: int


class Extractor(ABC):
    """A network and its preprocessing by name, loaded on demand."""

    #: Short name that appears in protocols.
    name: str
    #: The resize kernel between images and the network, as protocols report it.
    resize: str
    #: The kind of samples that it reads, a :attr:`ganforge.data.modality.Modality.name`; ``None`` for any.
    reads: ClassVar[str | None] = "images"

    @abstractmethod
    def load(self) -> Loaded:
        """Load the weights.

        Raises:
            GanforgeError: if they are not there or not what they should be.
        """


class InParts(nn.Module):
    """Runs a network on as many images at a time as fit, without autocast: features are float32.

    Where memory does not hold a part, parts are halved from there on.

    Args:
        network: maps ``(n, c, h, w)`` uint8 images to features and logits.
        size: images in a part at most, on a GPU.
        cpu_size: the same on a CPU, where small parts stay in its cache.
    """

    def __init__(self, network: Callable[[Tensor], tuple[Tensor, Tensor]], size: int = 256, cpu_size: int = 16) -> None:
        super().__init__()
        self.network = network
        self.sizes = {"cuda": size, "cpu": cpu_size}

    def forward(self, images: Tensor) -> Features:
        """Return the features of all ``images``."""
        kind = images.device.type
        with torch.autocast(kind, enabled=False):
            while True:
                size = self.sizes.get(kind, 64)
                try:
                    parts = [self.network(part) for part in images.split(size)]
                except torch.cuda.OutOfMemoryError:
                    if size == 1:
                        raise
                    self.sizes[kind] = size // 2
                    torch.cuda.empty_cache()
                    continue
                return Features(*(torch.cat(field).float() for field in zip(*parts, strict=True)))


def as_colour(images: Tensor) -> Tensor:
    """Repeat grey images' channel three times; GanforgeError for other than grey and colour images."""
    require_grey_or_colour(images)
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def require_grey_or_colour(images: Tensor) -> None:
    """Raise GanforgeError for ``(n, c, h, w)`` images of other than 1 or 3 channels."""
    if images.shape[1] not in (1, 3):
        raise GanforgeError(
            f"Images have {images.shape[1]} channels and this protocol's network reads 1 (grey) or 3 (colour): "
            "choose another protocol, or train without with protocol=[]."
        )


def sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hub_folder() -> Path:
    """Return torch's folder of weights: ``$TORCH_HOME/hub/checkpoints``, or that of ``torch.hub.set_dir``."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def weight_file(given: str | None, name: str, missing: str) -> Path:
    """Return the path of a weight file.

    Args:
        given: a path; ``None`` searches :func:`hub_folder` for ``name``.
        name: the file's published name.
        missing: the error's sentence where ``name`` is not there; ``{folder}`` is filled in.

    Raises:
        GanforgeError: if there is no such file.
    """
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise GanforgeError(f"There is no weight file at '{path}'; give another path, or null to search.")
        return path
    path = hub_folder() / name
    if not path.is_file():
        raise GanforgeError(missing.format(folder=path.parent))
    return path
