"""Pictures drawn from captions: one's own, or those of the held-out split."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.core.rng import torch_generator
from ganforge.data.columns import DATA, Split
from ganforge.data.images import grid
from ganforge.data.modality import Images
from ganforge.data.texts import Texts
from ganforge.sampling.checks import one_of, whole
from ganforge.sampling.results import Picture, Result
from ganforge.sampling.sampler import Inputs, Sampler
from ganforge.sampling.seeded import SeededSampler
from ganforge.sampling.stream import png_bytes

__all__ = ["Captioned", "caption", "caption_sheet", "heldout_captions"]

_LINE = 14  # pixels of a line of text


def caption_sheet(captions: Sequence[str], images: Tensor) -> Tensor:
    """Write captions over rows of pictures, as one ``(3, H, W)`` uint8 picture.

    Args:
        captions: one a row.
        images: ``(rows, columns, c, h, w)`` uint8.
    """
    from PIL import Image, ImageDraw

    rows = [grid(row, len(row)) for row in images]
    width = max([rows[0].shape[2], *(8 + 6 * len(line) for line in captions)])
    parts = []
    for line, row in zip(captions, rows, strict=True):
        part = torch.full((3, _LINE + row.shape[1], width), 255, dtype=torch.uint8)
        label = Image.new("L", (width, _LINE), 255)
        ImageDraw.Draw(label).text((3, 1), line, 0)
        part[:, :_LINE] = torch.frombuffer(bytearray(label.tobytes()), dtype=torch.uint8).view(_LINE, width)
        part[:, _LINE:, : row.shape[2]] = row
        parts.append(part)
    return torch.cat(parts, 1)


def heldout_captions(sampler: Sampler, heldout: Split, rows: Tensor, columns: int, seed: int = 0) -> Tensor | None:
    """Return held-out captions over what is drawn of them, and the real picture last where data are paired.

    Args:
        sampler: its network in evaluation mode.
        heldout: the split.
        rows: which of its rows.
        columns: drawings of each caption; a column has one latent.
        seed: of the latents.

    Returns:
        ``(3, H, W)`` uint8; ``None`` where the sampler draws no pictures from captions.
    """
    column = heldout.given.get(sampler.source or "")
    if column is None or not isinstance(column.modality, Texts) or not isinstance(sampler.modality, Images):
        return None
    tokens = column[rows % len(column)]
    latents = None
    if sampler.latent is not None:
        generator = torch_generator(seed, "grid", device=sampler.device)
        latents = sampler.latent(columns, generator=generator, device=sampler.device).repeat(len(rows), 1)
    texts = tokens.repeat_interleave(columns, 0).to(sampler.device)
    with torch.no_grad():
        drawn = sampler.modality.encode(sampler.generate(Inputs(latents, texts))).cpu()
    images = drawn.unflatten(0, (len(rows), columns))
    if heldout.paired and isinstance(heldout.data.modality, Images):
        images = torch.cat([images, heldout.data[rows][:, None]], 1)
    return caption_sheet(column.modality.texts(tokens), images)


class Captioned(Result):
    """Pictures as PNGs in a folder with ``captions.csv``, which ``data=captioned_folder`` reads.

    Args:
        captions: one a picture.
        images: ``(n, c, h, w)`` uint8.
    """

    suffix = ""

    def __init__(self, captions: Sequence[str], images: Tensor) -> None:
        self.captions, self.images = captions, images
        self.note = f"{len(captions):,} pictures with their captions."

    def _is_own(self, entry: Path) -> bool:
        if entry.name == "captions.csv" and entry.is_file() and not entry.is_symlink():
            with entry.open("rb") as file:
                return file.read(len(b"file,caption")) == b"file,caption"
        return super()._is_own(entry)

    def _write(self, path: Path) -> None:
        path.mkdir()
        rows = [("file", "caption")]
        for number, (line, image) in enumerate(zip(self.captions, self.images, strict=True)):
            rows.append((f"{number:06d}.png", line))
            (path / rows[-1][0]).write_bytes(png_bytes(image.permute(1, 2, 0).numpy()))
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows(rows)
        (path / "captions.csv").write_text(table.getvalue(), encoding="utf-8")


def caption(
    sampler: SeededSampler,
    n: Count = 8,
    text: str | None = None,
    file: str | None = None,
    format: str = "png",  # noqa: A002 - as on the command line
) -> Result:
    """Draw captions: one, those of a file, or the first of the held-out split.

    Args:
        sampler: of a generator that is conditioned on captions.
        n: pictures of each caption; of captions of one's own, and held-out captions, of which eight are shown.
        text: the caption.
        file: a text file with a caption a line.
        format: ``png``, a sheet with a row a caption, a column being one latent; or ``folder``, PNGs with a table.

    Raises:
        GanforgeError: if the run does not read captions, or one cannot be read by it.
    """
    key = sampler.sampler.source
    modality = sampler.origin.modalities.get(key or "")
    if not isinstance(modality, Texts):
        raise GanforgeError(
            f"mode=caption needs a run that is conditioned on captions, such as one of model=df_gan, and "
            f"'{sampler.origin.name}' is not: use mode=grid."
        )
    sampler.require_images("mode=caption")
    one_of("mode.format", format, ("png", "folder"))
    tokens, real = _tokens(sampler, modality, text, file)
    columns = whole("n", n)
    latents = None if sampler.sampler.latent is None else sampler.latents(columns).repeat(len(tokens), 1)
    images = sampler.draw(latents, tokens.repeat_interleave(columns, 0))
    lines = modality.texts(tokens)
    if format == "folder":
        return Captioned([line for line in lines for _ in range(columns)], images)
    rows = images.unflatten(0, (len(tokens), columns))
    if real is None:
        return Picture(caption_sheet(lines, rows), "A row a caption; a column is one latent.")
    sheet = caption_sheet(lines, torch.cat([rows, real[:, None]], 1))
    return Picture(sheet, "A row a held-out caption; a column is one latent, the last one the real picture.")


def _tokens(
    sampler: SeededSampler, modality: Texts, text: str | None, file: str | None
) -> tuple[Tensor, Tensor | None]:
    """Return captions as tokens, and the real pictures of held-out ones."""
    if text is not None and file is not None:
        raise GanforgeError("mode.text and mode.file both say what to draw: give one of them.")
    if text is not None:
        return _read(modality, [str(text)], "mode.text"), None
    if file is not None:
        return _read(modality, _lines(file), f"'{shown(file)}'"), None
    assert sampler.origin.heldout is not None
    heldout = sampler.origin.heldout()
    rows = torch.arange(min(8, len(heldout)))
    column = {DATA: heldout.data, **heldout.given}[sampler.sampler.source or ""]
    return column[rows], heldout.data[rows] if heldout.paired else None


def _read(modality: Texts, captions: Sequence[str], where: str) -> Tensor:
    """Return captions as tokens; an error says where they are from, and what the run can read."""
    for line in captions:
        unknown = modality.unknown(line)
        if unknown:
            raise GanforgeError(
                f"{where} holds '{unknown[0][:40]}', and this run reads: {', '.join(modality.vocabulary or ())}."
            )
        count = modality.count(line)
        if not 0 < count <= modality.length:
            kind = "words" if modality.vocabulary else "bytes"
            raise GanforgeError(
                f"{where} holds a caption of {count} {kind}, and this run reads 1 to {modality.length}."
            )
    return modality.tokenise(captions)


def _lines(file: str) -> list[str]:
    path = Path(file).expanduser()
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise GanforgeError(f"mode.file '{shown(file)}' cannot be read as UTF-8 text ({error}).") from error
    if not lines:
        raise GanforgeError(f"mode.file '{shown(file)}' holds no caption: write one a line.")
    return lines
