"""Sample grids side by side."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganforge.reports.reading import Run
from ganforge.reports.tables import kimg
from ganforge.reports.variants import Variant

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Grid", "as_data_uri", "read_grids"]


@dataclass(frozen=True)
class Grid:
    """Samples of one run.

    Attributes:
        label: the variant's.
        caption: variant, seed and images seen.
        picture: RGB.
    """

    label: str
    caption: str
    picture: "Image.Image"


def read_grids(variants: Sequence[Variant]) -> tuple[list[Grid], list[str]]:
    """Return the newest grid of each variant's first counted seed, and notes on them."""
    grids: list[Grid] = []
    notes: list[str] = []
    latents: set[str] = set()
    for variant in variants:
        run = next(iter(variant.counted or variant.runs))
        path = run.path / "samples" / "latest.png"
        picture = _open(path)
        if picture is None:
            state = "cannot be read" if path.exists() else "is not there"
            notes.append(f"{variant.label}: {run.name}/samples/latest.png {state}, so that no samples are shown.")
            continue
        seen = _images_seen(run)
        at = "" if seen is None else f", {kimg(seen)} kimg"
        grids.append(Grid(variant.label, f"{variant.label}, seed {run.seed}{at}", picture))
        latents.add(_latents(variant))
    if len(latents) > 1:
        notes.append("The sample grids are not from the same latents: the variants' latent or samples settings differ.")
    return grids, notes


def _open(path: Path) -> "Image.Image | None":
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None


def _images_seen(run: Run) -> int | None:
    """Return the clock of the newest grid, from its numbered duplicate."""
    numbers = [int(path.stem) for path in (run.path / "samples").glob("*.png") if path.stem.isdigit()]
    return max(numbers, default=None)


def _latents(variant: Variant) -> str:
    """Return everything that the grid's latents are drawn from."""
    wanted = ("latent.", "callbacks.samples.images", "callbacks.samples.seed", "callbacks.samples._target_")
    found = {key: value for key, value in variant.settings.items() if key.startswith(wanted)}
    return json.dumps(found, sort_keys=True, default=str)


def as_data_uri(picture: "Image.Image", budget: int) -> str:
    """Return a picture as a data URI of at most ``budget`` bytes: PNG if it fits, else JPEG, smaller until it does."""
    from PIL import Image

    side = max(picture.size)
    for limit in (1024, 768, 512, 384, 256, 128):
        smaller = picture
        if side > limit:
            size = (max(1, picture.width * limit // side), max(1, picture.height * limit // side))
            smaller = picture.resize(size, Image.Resampling.LANCZOS)
        for kind, options in (("png", {}), ("jpeg", {"quality": 85})):
            buffer = io.BytesIO()
            smaller.save(buffer, format=kind, **options)
            if buffer.tell() * 4 / 3 <= budget or limit == 128:
                return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
    raise AssertionError("unreachable")
