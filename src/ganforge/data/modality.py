"""Kinds of samples: how they are stored, seen by networks, and shown as pictures."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ganforge.core.annotations import Count, Fraction
from ganforge.core.errors import GanforgeError
from ganforge.data.fit import Margin, fit
from ganforge.data.images import ImageSize, grid, height_and_width, loaded, normalise, quantise
from ganforge.data.jitter import choose, flip_and_crop

__all__ = ["AsStored", "Images", "Labels", "Modality", "Raw", "Vectors"]


class Modality(ABC):
    """One kind of sample. Stored samples are what datasets hold and files contain; networks see decoded ones.

    A new kind is one subclass: data modules, training, evaluation, sampling and health use only this interface.
    """

    #: The kind's name, by which extractors and metrics state what they read.
    name: ClassVar[str]
    #: Shape of one sample as networks see it.
    shape: tuple[int, ...]
    #: Whether training samples are transformed at random (mirrored, ...).
    is_transformed: bool = False

    @abstractmethod
    def decode(self, stored: Tensor) -> Tensor:
        """Map stored samples ``(n, ...)`` to what networks see, ``(n, *shape)``."""

    @abstractmethod
    def encode(self, samples: Tensor) -> Tensor:
        """Map what a generator draws, ``(n, *shape)``, to stored samples."""

    def clamp(self, samples: Tensor) -> Tensor:
        """Confine samples as networks see them to their range; as they are where there is none."""
        return samples

    @abstractmethod
    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Return stored samples as a ``(3, H, W)`` uint8 picture, ``columns`` a row where there are rows."""

    @abstractmethod
    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Return ``n`` example samples as networks see them, for checks before data is read."""

    def fit(self, values: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Bring stored samples of another shape to this one; return ``values`` itself where nothing is to be done."""
        return values

    def embed(self, samples: Tensor) -> Tensor:
        """Return ``(n, d)`` float vectors of samples as networks see them, in which distances are meaningful."""
        return samples.float()[:, None].flatten(1)

    def choose(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw how each of ``n`` training samples is transformed, ``(n, ...)``; called where ``is_transformed``."""
        return torch.zeros(n)

    def transform(self, samples: Tensor, choice: Tensor) -> Tensor:
        """Transform samples as networks see them by what :meth:`choose` drew; by default not at all."""
        return samples


class Images(Modality):
    """Images of any height, width and number of channels: uint8 in store, floats in [-1, 1] for networks.

    Args:
        image_size: pixels: the side of a square, or height and width.
        channels: 1 (grey), 3 (colour), or any other number where the dataset has it.
        margin: how smaller images grow: ``"pad"`` with black (the custom for 28-pixel digits) or ``"resize"``.
        horizontal_flip: probability that a training image is mirrored.
        load_size: pixels that a training image is enlarged to before ``image_size`` of it are cut out at random
            (286 for 256 in pix2pix); ``None`` crops nothing.

    Raises:
        GanforgeError: if a value is impossible.
    """

    name = "images"

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count,
        *,
        margin: Margin = "resize",
        horizontal_flip: Fraction = 0.0,
        load_size: ImageSize | None = None,
    ) -> None:
        if channels < 1:
            raise GanforgeError(f"data.channels must be 1 (grey), 3 (colour), or another number >= 1, got {channels}.")
        if not 0 <= horizontal_flip <= 1:
            raise GanforgeError(f"data.horizontal_flip is a probability in [0, 1], got {horizontal_flip}.")
        if margin not in ("pad", "resize"):
            raise GanforgeError(f"data.margin must be 'pad' or 'resize', got '{margin}'.")
        self.channels, self.margin, self.horizontal_flip = channels, margin, horizontal_flip
        self.height, self.width = height_and_width(image_size)
        self.shape: tuple[int, int, int] = (channels, self.height, self.width)
        self.load_size = loaded(load_size, self.height, self.width)
        self.is_transformed = horizontal_flip > 0 or self.load_size is not None

    def decode(self, stored: Tensor) -> Tensor:
        """Map uint8 to [-1, 1]; see :func:`~ganforge.data.images.normalise`."""
        return normalise(stored)

    def encode(self, samples: Tensor) -> Tensor:
        """Round to uint8; see :func:`~ganforge.data.images.quantise`."""
        return quantise(samples)

    def clamp(self, samples: Tensor) -> Tensor:
        """Confine to [-1, 1]."""
        return samples.clamp(-1, 1)

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Lay images out as a grid; of other than 1 or 3 channels the first three are the colours."""
        return grid(stored, columns)

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Return uniform noise."""
        return torch.rand(n, *self.shape, generator=generator) * 2 - 1

    def fit(self, values: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Resize, pad and crop; see :func:`~ganforge.data.fit.fit`."""
        return fit(values, self.shape, self.margin)

    def embed(self, samples: Tensor) -> Tensor:
        """Average down to 16 x 16 pixels first: noise that differs from image to image is no variety."""
        sides = (min(16, self.height), min(16, self.width))
        return torch.nn.functional.adaptive_avg_pool2d(samples.float(), sides).flatten(1)

    def choose(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw how images are mirrored and cropped; see :func:`~ganforge.data.jitter.choose`."""
        return choose(n, self.horizontal_flip, generator)

    def transform(self, samples: Tensor, choice: Tensor) -> Tensor:
        """Crop, and mirror left and right; see :func:`~ganforge.data.jitter.flip_and_crop`."""
        return flip_and_crop(samples, choice, self.load_size)


class AsStored(Modality):
    """A kind that networks see as it is stored."""

    def decode(self, stored: Tensor) -> Tensor:
        """Return them as they are."""
        return stored

    def encode(self, samples: Tensor) -> Tensor:
        """Return them as they are."""
        return samples


class Vectors(AsStored):
    """Plain numbers, ``(n, dim)`` float32, the same in store as for networks.

    Args:
        dim: coordinates of one sample.
    """

    name = "vectors"

    def __init__(self, dim: Count) -> None:
        if dim < 1:
            raise GanforgeError(f"A vector has at least 1 coordinate, got dim={dim}.")
        self.shape = (dim,)

    def encode(self, samples: Tensor) -> Tensor:
        """Return them as float32."""
        return samples.float()

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Show a row a vector, one pixel a coordinate, grey from the smallest to the largest."""
        low, high = stored.min(), stored.max()
        grey = ((stored - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8)
        return grey.expand(3, -1, -1).cpu()

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Return standard normal vectors."""
        return torch.randn(n, *self.shape, generator=generator)


class Raw(AsStored):
    """Tensors of an unknown kind: of a module without a data module of ganforge's."""

    name = "samples"
    shape = ()

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Raise GanforgeError: an unknown kind has no picture."""
        raise GanforgeError("The modality of these samples is not known: call module.bind(data_module) first.")

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Raise GanforgeError: an unknown kind has no shape."""
        raise GanforgeError("The modality of these samples is not known: call module.bind(data_module) first.")


class Labels(AsStored):
    """Class labels, ``(n,)`` int64.

    Args:
        classes: number of classes.
    """

    name = "labels"
    shape = ()

    def __init__(self, classes: Count) -> None:
        self.classes = classes

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Raise GanforgeError: labels have no picture."""
        raise GanforgeError("Class labels have no picture: choose another column to generate.")

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the classes in turn."""
        return torch.arange(n) % self.classes
