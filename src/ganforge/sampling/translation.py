"""Pictures translated into pictures: of the held-out split, or of one's own and of any size."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.data.columns import DATA, Split
from ganforge.data.decoder import UnreadableImage, read_picture
from ganforge.data.images import grid
from ganforge.data.listing import ImageFile, list_images
from ganforge.data.modality import Images
from ganforge.sampling.checks import one_of, whole
from ganforge.sampling.results import Picture, Result
from ganforge.sampling.sampler import Inputs, Sampler
from ganforge.sampling.seeded import SeededSampler
from ganforge.sampling.stream import png_bytes

__all__ = ["Translations", "contact_sheet", "heldout_sheet", "translate", "translated"]


@torch.no_grad()
def translated(sampler: Sampler, pictures: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return translations of pictures of any size, the network in the mode that it is in.

    Sides that are no multiple of what the network halves are continued by reflection and cut off again.

    Args:
        sampler: of a generator of pictures.
        pictures: ``(n, c, h, w)`` as networks see them, on the network's device.
        labels: ``(n,)`` classes to translate into, where the generator takes them.
    """
    height, width = pictures.shape[2:]
    multiple = int(getattr(sampler.network, "multiple", 1))
    below, right = (-side % multiple for side in (height, width))
    kind = "reflect" if below < height and right < width else "replicate"
    padded = F.pad(pictures, (0, right, 0, below), kind) if below or right else pictures
    inputs = Inputs(padded, labels) if sampler.latent is not None else Inputs(None, padded)
    drawn = sampler.generate(inputs)
    times = drawn.shape[2] / padded.shape[2]  # above 1 in super-resolution
    return drawn[:, :, : round(height * times), : round(width * times)]


def contact_sheet(columns: Sequence[Tensor]) -> Tensor:
    """Lay columns of stored images side by side, a row for each image, as one ``(3, H, W)`` uint8 picture.

    Args:
        columns: ``(n, c, h, w)`` uint8 each; smaller ones are enlarged to the size of the largest, pixel by pixel.
    """
    size = [max(column.shape[side] for column in columns) for side in (2, 3)]
    shown_alike = [_colours(F.interpolate(column.cpu().float(), size, mode="nearest")) for column in columns]
    return grid(torch.stack(shown_alike, 1).flatten(0, 1).to(torch.uint8), len(columns))


def _colours(images: Tensor) -> Tensor:
    """Return three channels: grey as colours, of more the first three."""
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1)
    return F.pad(images[:, :3], (0, 0, 0, 0, 0, max(0, 3 - images.shape[1])))


def heldout_sheet(
    sampler: Sampler, heldout: Split, rows: Tensor, labels: Sequence[Tensor | None] = (None,)
) -> Tensor | None:
    """Return held-out pictures, their translations, and their targets where they are paired, side by side.

    Args:
        sampler: its network in evaluation mode.
        heldout: the split.
        rows: which of its rows.
        labels: classes to translate into, a column each.

    Returns:
        ``(3, H, W)`` uint8; ``None`` where the sampler translates no pictures.
    """
    key = sampler.source
    if key is None or not (isinstance(heldout.column(key).modality, Images) and isinstance(sampler.modality, Images)):
        return None
    source = heldout.column(key)
    stored = source[rows % len(source)]
    pictures = source.modality.decode(stored.to(sampler.device))
    drawn = [sampler.modality.encode(translated(sampler, pictures, label)) for label in labels]
    target = heldout.column(sampler.target or DATA)
    has_target = heldout.paired and target is not source
    return contact_sheet([stored, *drawn, *([target[rows]] if has_target else [])])


class Translations(Result):
    """Translated pictures as PNGs in a folder, named as what they were translated from.

    Args:
        sampler: what translates.
        pictures: stored ones by name, ``(c, h, w)`` uint8, decoded while they are written.
        label: the class to translate into.
    """

    suffix = ""

    def __init__(self, sampler: SeededSampler, pictures: "Pictures", label: Tensor | None) -> None:
        self.sampler, self.pictures, self.label = sampler, pictures, None if label is None else label.to(sampler.device)

    def _may_write(self, name: str) -> bool:
        return name in {f"{stem}.png" for stem in self.pictures.names}

    def _write(self, path: Path) -> None:
        path.mkdir()
        self.pictures.left_out.clear()
        for name, stored in self.pictures:
            decoded = self.pictures.modality.decode(stored[None].to(self.sampler.device))
            drawn = self.sampler.modality.encode(translated(self.sampler.sampler, decoded, self.label))
            (path / f"{name}.png").write_bytes(png_bytes(drawn[0].permute(1, 2, 0).cpu().numpy()))
        left_out = self.pictures.left_out
        first = "".join(f" Left out: {error}." for error in left_out[:1])
        others = f" So were {len(left_out) - 1:,} more." if len(left_out) > 1 else ""
        translated_count = len(self.pictures.names) - len(left_out)
        self.note = f"{translated_count:,} pictures translated{self.pictures.sizes}.{first}{others}"


class Pictures:
    """Named pictures that are read one after another; files that cannot be read are left out, but not all of them.

    Args:
        names: of files without their suffix, unique.
        modality: what they are.
        read: stored pictures ``(c, h, w)`` uint8 in the order of their names.
        resize: whether files are brought to the modality's size, as in training.

    Attributes:
        left_out: why files were left out, in the last iteration.
        sizes: which size they have, in words that follow their number.
    """

    def __init__(
        self, names: Sequence[str], modality: Images, read: Sequence[ImageFile] | Tensor, resize: bool = False
    ) -> None:
        self.names, self.modality, self._read, self.resize = names, modality, read, resize
        self.left_out: list[str] = []
        height, width = modality.shape[1:]
        fitted = f" at {width} x {height} pixels, as in training"
        kept = f" at their own sizes; mode.resize=true translates them{fitted}"
        self.sizes = "" if isinstance(read, Tensor) else fitted if resize else kept

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        for name, item in zip(self.names, self._read, strict=True):
            if isinstance(item, Tensor):
                yield name, item
                continue
            try:
                yield name, self._decoded(item)
            except (UnreadableImage, OSError) as error:
                self.left_out.append(f"'{shown(str(item))}' cannot be read: {error}")
        if len(self.left_out) == len(self.names):
            raise GanforgeError(f"{self.left_out[0]}.")

    def _decoded(self, file: ImageFile) -> Tensor:
        channels = self.modality.shape[0]
        if channels not in (1, 3):
            raise GanforgeError(
                f"'{shown(str(file))}' has 1 or 3 channels, and the generator takes {channels}: leave mode.source out."
            )
        with file.open("rb") as handle:
            pixels = np.asarray(read_picture(handle, channels).image)
        stored = torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels).copy()).permute(2, 0, 1)
        return torch.as_tensor(self.modality.fit(stored[None])[0]) if self.resize else stored


def translate(
    sampler: SeededSampler,
    n: Count = 8,
    source: str | None = None,
    format: str | None = None,  # noqa: A002 - as on the command line
    label: Whole | None = None,
    resize: bool = False,
) -> Result:
    """Translate pictures: held-out ones beside their targets, or those of a file, a folder or an archive.

    Args:
        sampler: of a generator of pictures, one direction of several.
        n: held-out pictures; of a file or folder all are translated.
        source: the file, folder or archive; ``None`` for the held-out split.
        format: ``png``, a sheet of held-out pictures, outputs and targets, a row each; ``folder`` of PNGs; ``None``:
            ``png`` for held-out pictures.
        label: the class to translate into, where the generator takes one; ``None``: a column each in a sheet.
        resize: bring files to the size of training first; otherwise each keeps its own.

    Raises:
        GanforgeError: if the run translates no pictures, a file cannot be read, or values are impossible.
    """
    key = sampler.sampler.source
    modality = sampler.origin.modalities.get(key or "")
    if key is None or not isinstance(modality, Images):
        raise GanforgeError(
            f"mode=translate needs a generator of pictures, such as that of model=pix2pix, and '{sampler.origin.name}' "
            "draws from something else: use mode=grid."
        )
    chosen = format or ("png" if source is None else "folder")
    one_of("mode.format", chosen, ("png", "folder"))
    if source is not None and chosen == "png":
        raise GanforgeError("mode.format=png shows held-out pictures: leave mode.source out, or mode.format.")
    classes = _classes(sampler, label)
    if source is not None:
        return Translations(sampler, _own(source, modality, resize), _one(classes))
    assert sampler.origin.heldout is not None
    heldout = sampler.origin.heldout()
    rows = torch.arange(min(whole("n", n), len(heldout)))
    if chosen == "folder":
        column = heldout.column(key)
        names = [f"{row:06d}" for row in rows.tolist()]
        return Translations(sampler, Pictures(names, modality, column[rows % len(column)]), _one(classes))
    labels = [None if each is None else torch.full((len(rows),), each, device=sampler.device) for each in classes]
    sheet = heldout_sheet(sampler.sampler, heldout, rows, labels)
    assert sheet is not None
    told = "source, output" if len(labels) == 1 else f"source, classes 0 to {len(labels) - 1}"
    has_target = heldout.paired and key != (sampler.sampler.target or DATA)
    return Picture(sheet, f"From left to right: {told}{', target' if has_target else ''}.")


def _classes(sampler: SeededSampler, label: int | None) -> list[int | None]:
    """Return the classes to translate into; one ``None`` for a generator without."""
    if label is not None:
        return [whole("mode.label", label, 0, sampler.require_classes("mode.label") - 1)]
    return [None] if sampler.classes is None else list(range(sampler.classes))


def _one(classes: Sequence[int | None]) -> Tensor | None:
    if len(classes) > 1:
        raise GanforgeError(f"Say which class to translate into: mode.label=0 to {len(classes) - 1}.")
    return None if classes[0] is None else torch.tensor(classes)


def _own(source: str, modality: Images, resize: bool) -> Pictures:
    """Return the pictures of a file, a folder or an archive."""
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() != ".zip":
        return Pictures([path.stem], modality, [path], resize)
    listing = list_images(path)
    if not len(listing):
        raise GanforgeError(f"{listing.describe()}: give a picture's file, or a folder or .zip file of pictures.")
    names = ["_".join((*parts[:-1], Path(parts[-1]).stem)) for parts in listing.files]
    if len(set(names)) < len(names):
        names = ["_".join(parts) for parts in listing.files]
    return Pictures(names, modality, list(listing.files.values()), resize)
