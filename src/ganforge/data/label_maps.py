"""Label maps: a class for every pixel, which networks see as one plane a class."""

from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Bounds, Fraction
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, grid, height_and_width, loaded
from ganforge.data.jitter import choose, flip_and_crop
from ganforge.data.modality import Modality

__all__ = ["LabelMaps"]


class LabelMaps(Modality):
    """A class for every pixel: uint8 ``(n, 1, h, w)`` in store, one-hot floats ``(n, classes, h, w)`` for networks.

    Args:
        image_size: pixels: the side of a square, or height and width.
        classes: number of classes.
        horizontal_flip, load_size: see :class:`~ganforge.data.modality.Images`; in a pair the data's own choices hold.

    Raises:
        GanforgeError: if a value is impossible.
    """

    name = "label_maps"

    def __init__(
        self,
        image_size: ImageSize,
        classes: Annotated[int, Bounds(at_least=2, at_most=256)],
        *,
        horizontal_flip: Fraction = 0.0,
        load_size: ImageSize | None = None,
    ) -> None:
        if not 2 <= classes <= 256:
            raise GanforgeError(f"A label map has 2 to 256 classes, got classes={classes}.")
        self.classes, self.channels, self.horizontal_flip = classes, classes, horizontal_flip
        self.height, self.width = height_and_width(image_size)
        self.shape: tuple[int, int, int] = (classes, self.height, self.width)
        self.load_size = loaded(load_size, self.height, self.width)
        self.is_transformed = horizontal_flip > 0 or self.load_size is not None

    def decode(self, stored: Tensor) -> Tensor:
        """Return one plane a class, 1 where a pixel is of it and 0 elsewhere."""
        return F.one_hot(stored[:, 0].long(), self.classes).permute(0, 3, 1, 2).float()

    def encode(self, samples: Tensor) -> Tensor:
        """Return the class whose plane is highest, at every pixel."""
        return samples.argmax(1, keepdim=True).to(torch.uint8)

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Lay label maps out as a grid, the first class black and every other one a hue of its own."""
        hues = torch.arange(self.classes) / max(1, self.classes - 1) * 2 * torch.pi
        waves = torch.cos(hues[:, None] + torch.tensor([0.0, -2.0, 2.0]) * torch.pi / 3)
        palette = ((waves + 1) * 127.5).round().to(torch.uint8)
        palette[0] = 0
        return grid(palette[stored[:, 0].long().cpu()].permute(0, 3, 1, 2), columns)

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Return maps of random classes."""
        drawn = torch.randint(self.classes, (n, 1, self.height, self.width), generator=generator)
        return self.decode(drawn)

    def embed(self, samples: Tensor) -> Tensor:
        """Return the shares of the classes in 8 x 8 fields."""
        sides = (min(8, self.height), min(8, self.width))
        return F.adaptive_avg_pool2d(samples.float(), sides).flatten(1)

    def fit(self, values: Tensor | np.ndarray) -> Tensor | np.ndarray:
        """Scale to the size without mixing classes, each pixel that of the nearest one."""
        if tuple(values.shape[1:]) == (1, self.height, self.width):
            return values
        if values.shape[1] != 1:
            raise GanforgeError(
                f"A label map has one class a pixel, and the dataset gives {values.shape[1]} numbers: choose a column "
                "of label maps, or make this one of ganforge.data.modality.Images."
            )
        scaled = F.interpolate(torch.as_tensor(values).float(), (self.height, self.width), mode="nearest-exact")
        return scaled.to(torch.uint8)

    def choose(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw how maps are mirrored and cropped; see :func:`~ganforge.data.jitter.choose`."""
        return choose(n, self.horizontal_flip, generator)

    def transform(self, samples: Tensor, choice: Tensor) -> Tensor:
        """Crop and mirror without mixing classes; see :func:`~ganforge.data.jitter.flip_and_crop`."""
        return flip_and_crop(samples, choice, self.load_size, mode="nearest-exact")
