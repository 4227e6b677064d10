"""The drawings of the package robohash: layers of transparent parts that lie on one another."""

import re
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

__all__ = ["COLOURS", "SETS", "Drawings"]

#: Sets of parts by what they show: the package's folder of each.
SETS = {"robots": "set1", "monsters": "set2", "heads": "set3", "cats": "set4"}

#: What robots are drawn in; every part is there in every colour. Other sets have the colours of their parts.
COLOURS = ("blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")

_NUMBER = re.compile(r"(\d+)\.png$")


@dataclass(frozen=True)
class Drawings:
    """All drawings of one set in one colour, at one size. A drawing's number says which part every layer has.

    Attributes:
        name: of the set, out of :data:`SETS`.
        colour: out of :data:`COLOURS` for robots, ``None`` for others.
        side: pixels.
    """

    name: str
    colour: str | None
    side: int

    @cached_property
    def files(self) -> list[list[Path]]:
        """Parts of every layer, from the lowest layer up, in the order of the numbers that end their names.

        The names begin with numbers as well, and these are shuffled in each colour: they do not say which part it is.
        """
        folder = _package() / "sets" / SETS[self.name] / (self.colour or "")
        layers = sorted(
            (path for path in folder.iterdir() if "#" in path.name), key=lambda path: path.name.split("#")[1]
        )
        return [sorted(layer.glob("*.png"), key=_number) for layer in layers]

    @property
    def layers(self) -> list[str]:
        """What the layers are, from the lowest up: ``Body``, ``Face``, ..."""
        return [layer[0].parent.name.split("#")[1].lstrip("0123456789") for layer in self.files]

    @cached_property
    def total(self) -> int:
        """How many different drawings there are."""
        return int(np.prod([len(layer) for layer in self.files], dtype=np.int64))

    def parts(self, numbers: np.ndarray) -> np.ndarray:
        """Return which part each layer of drawings has, ``(n, layers)`` from 0 on; ``numbers`` is ``(n,)``."""
        return np.stack(np.unravel_index(numbers, [len(layer) for layer in self.files]), 1)

    @cached_property
    def _pixels(self) -> list[np.ndarray]:
        """Every layer's parts, ``(parts, 4, side, side)`` uint8 with colours multiplied by opacity."""
        return [np.stack([_read(path, self.side) for path in layer]) for layer in self.files]

    def compose(self, numbers: np.ndarray) -> np.ndarray:
        """Return drawings over white, ``(n, 3, side, side)`` uint8."""
        picture = np.full((len(numbers), 3, self.side, self.side), 255, np.float32)
        for pixels, chosen in zip(self._pixels, self.parts(numbers).T, strict=True):
            part = pixels[chosen].astype(np.float32)
            picture *= 1 - part[:, 3:] / 255
            picture += part[:, :3]
        return picture.round().clip(0, 255).astype(np.uint8)

    def label(self, numbers: np.ndarray, first: int = 1) -> np.ndarray:
        """Return which layer is seen at each pixel, ``(n, 1, side, side)`` uint8.

        Args:
            numbers: of the drawings.
            first: class of the lowest layer; where nothing is drawn the class is 0.
        """
        seen = np.zeros((len(numbers), 1, self.side, self.side), np.uint8)
        for layer, (pixels, chosen) in enumerate(zip(self._pixels, self.parts(numbers).T, strict=True)):
            seen[pixels[chosen][:, 3:] > 127] = first + layer
        return seen


def _package() -> Path:
    package = find_spec("robohash")
    if package is None or package.origin is None:
        raise GanforgeError(
            f"data=robohash composes the parts that robohash ships, and it is not installed: {install('robohash')}"
        )
    return Path(package.origin).parent


def _number(path: Path) -> int:
    found = _NUMBER.search(path.name)
    assert found is not None, path
    return int(found[1])


def _read(path: Path, side: int) -> np.ndarray:
    with Image.open(path, formats=["PNG"]) as image:
        opaque = image.convert("RGBA").convert("RGBa")  # colours times opacity: what is clear does not colour edges
        return np.asarray(opaque.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3)).transpose(2, 0, 1)
