"""Pictures translated into pictures: of the held-out split, or of one's own and of any size."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import DATA, Split
from ganforge.data.images import grid
from ganforge.data.modality import Images
from ganforge.sampling.checks import one_of, whole
from ganforge.sampling.own_pictures import Pictures, own_pictures
from ganforge.sampling.results import Picture, Result
from ganforge.sampling.sampler import Inputs, Sampler
from ganforge.sampling.seeded import SeededSampler
from ganforge.sampling.stream import png_bytes

__all__ = ["Translations", "contact_sheet", "heldout_sheet", "translate", "translated"]


@torch.no_grad()
def translated(sampler: Sampler, pictures: Tensor, other: Tensor | None = None) -> Tensor:
    """Return translations of pictures of any size, the network in the mode that it is in.

    Sides that are no multiple of what the network halves are continued by reflection and cut off again.

    Args:
        sampler: of a generator of pictures.
        pictures: ``(n, c, h, w)`` as networks see them, on the network's device.
        other: ``(n,)`` classes to translate into, where the generator takes them; or pictures in whose style to draw.
    """
    height, width = pictures.shape[2:]
    multiple = int(getattr(sampler.network, "multiple", 1))
    below, right = (-side % multiple for side in (height, width))
    kind = "reflect" if below < height and right < width else "replicate"
    padded = F.pad(pictures, (0, right, 0, below), kind) if below or right else pictures
    inputs = Inputs(padded, other) if sampler.source == DATA and sampler.takes_pictures else Inputs(other, padded)
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
    """Return held-out pictures, their translations, and their targets where they are paired, or styles, side by side.

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
    source, target = heldout.column(key), heldout.column(sampler.target or DATA)
    stored = source[rows % len(source)]
    pictures = source.modality.decode(stored.to(sampler.device))
    if sampler.takes_style:
        styles = target[(rows + 1) % len(target)]  # of another place, where the split is paired
        output = translated(sampler, pictures, target.modality.decode(styles.to(sampler.device)))
        return contact_sheet([stored, sampler.modality.encode(output), styles])
    drawn = [sampler.modality.encode(translated(sampler, pictures, label)) for label in labels]
    has_target = heldout.paired and target is not source
    return contact_sheet([stored, *drawn, *([target[rows]] if has_target else [])])


class Translations(Result):
    """Translated pictures as PNGs in a folder, named as what they were translated from.

    Args:
        sampler: what translates.
        pictures: stored ones by name, ``(c, h, w)`` uint8, decoded while they are written.
        other: the class to translate into, ``(1,)``; or the style to draw in, ``(1, c, h, w)`` as networks see it.
        verb: what was done to them, for the sentence about it.
    """

    suffix = ""

    def __init__(
        self, sampler: SeededSampler, pictures: Pictures, other: Tensor | None, verb: str = "translated"
    ) -> None:
        self.verb = verb
        self.sampler, self.pictures, self.other = sampler, pictures, None if other is None else other.to(sampler.device)

    def _may_write(self, name: str) -> bool:
        return name in {f"{stem}.png" for stem in self.pictures.names}

    def _write(self, path: Path) -> None:
        path.mkdir()
        self.pictures.left_out.clear()
        for name, stored in self.pictures:
            decoded = self.pictures.modality.decode(stored[None].to(self.sampler.device))
            drawn = self.sampler.modality.encode(translated(self.sampler.sampler, decoded, self.other))
            (path / f"{name}.png").write_bytes(png_bytes(drawn[0].permute(1, 2, 0).cpu().numpy()))
        left_out = self.pictures.left_out
        first = "".join(f" Left out: {error}." for error in left_out[:1])
        others = f" So were {len(left_out) - 1:,} more." if len(left_out) > 1 else ""
        translated_count = len(self.pictures.names) - len(left_out)
        self.note = f"{translated_count:,} pictures {self.verb}{self.pictures.sizes}.{first}{others}"


def translate(
    sampler: SeededSampler,
    n: Count = 8,
    source: str | None = None,
    format: str | None = None,  # noqa: A002 - as on the command line
    label: Whole | None = None,
    style: str | None = None,
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
        style: a picture's file, where the generator draws in another one's style; a sheet has held-out ones.
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
    if chosen == "folder":
        pictures = _heldout(sampler, key, n) if source is None else own_pictures(source, modality, resize)
        return Translations(sampler, pictures, _other(sampler, label, style))
    if style is not None:
        raise GanforgeError("A sheet shows held-out styles: add mode.format=folder, or leave mode.style out.")
    classes = _classes(sampler, label)
    assert sampler.origin.heldout is not None
    heldout = sampler.origin.heldout()
    rows = torch.arange(min(whole("n", n), len(heldout)))
    labels = [None if each is None else torch.full((len(rows),), each, device=sampler.device) for each in classes]
    sheet = heldout_sheet(sampler.sampler, heldout, rows, labels)
    assert sheet is not None
    columns = "source, output" if len(labels) == 1 else f"source, classes 0 to {len(labels) - 1}"
    last = ", target" if heldout.paired and key != (sampler.sampler.target or DATA) else ""
    return Picture(sheet, f"From left to right: {columns}{', style' if sampler.sampler.takes_style else last}.")


def _heldout(sampler: SeededSampler, key: str, n: int) -> Pictures:
    """Return the first held-out pictures of a column, by their rows' numbers."""
    assert sampler.origin.heldout is not None
    heldout = sampler.origin.heldout()
    column, modality = heldout.column(key), sampler.origin.modalities[key]
    assert isinstance(modality, Images)
    rows = torch.arange(min(whole("n", n), len(heldout)))
    return Pictures([f"{row:06d}" for row in rows.tolist()], modality, column[rows % len(column)])


def _other(sampler: SeededSampler, label: int | None, style: str | None) -> Tensor | None:
    """Return what goes with each picture: the class, or the picture in whose style to draw, as networks see it."""
    if not sampler.sampler.takes_style:
        if style is None:
            return _one(_classes(sampler, label))
        raise GanforgeError(
            f"mode.style is for runs of model=adain, and '{sampler.origin.name}' is none: leave it out."
        )
    if style is None:
        raise GanforgeError("Say in which picture's style to draw: mode.style=FILE.")
    modality = sampler.sampler.modality
    assert isinstance(modality, Images)
    (picture,) = Pictures([style], modality, [Path(style).expanduser()])
    return modality.decode(picture[1][None])


def _classes(sampler: SeededSampler, label: int | None) -> list[int | None]:
    """Return the classes to translate into; one ``None`` for a generator without."""
    if label is not None:
        return [whole("mode.label", label, 0, sampler.require_classes("mode.label") - 1)]
    return [None] if sampler.classes is None else list(range(sampler.classes))


def _one(classes: Sequence[int | None]) -> Tensor | None:
    if len(classes) > 1:
        raise GanforgeError(f"Say which class to translate into: mode.label=0 to {len(classes) - 1}.")
    return None if classes[0] is None else torch.tensor(classes)
