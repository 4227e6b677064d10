"""Glyphs of the fonts that matplotlib ships: the same characters in two faces."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from ganforge.core.annotations import ProperFraction, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import LABEL, SOURCE, Column, Split, Splits, heldout_count
from ganforge.data.modality import Images, Labels

__all__ = ["FACES", "Glyphs"]

#: Faces with upright letters: the font's file.
FACES = {
    "sans": "DejaVuSans",
    "sans_bold": "DejaVuSans-Bold",
    "sans_oblique": "DejaVuSans-Oblique",
    "sans_bold_oblique": "DejaVuSans-BoldOblique",
    "serif": "DejaVuSerif",
    "serif_bold": "DejaVuSerif-Bold",
    "serif_italic": "DejaVuSerif-Italic",
    "serif_bold_italic": "DejaVuSerif-BoldItalic",
    "mono": "DejaVuSansMono",
    "mono_bold": "DejaVuSansMono-Bold",
    "mono_oblique": "DejaVuSansMono-Oblique",
    "mono_bold_oblique": "DejaVuSansMono-BoldOblique",
    "times": "STIXGeneral",
    "times_bold": "STIXGeneralBol",
    "times_italic": "STIXGeneralItalic",
    "times_bold_italic": "STIXGeneralBolIta",
}


class Glyphs:
    """Letters, white on black, that several faces have: in one as the column ``source``, in others as the data.

    Each letter is as large as its face makes it, on one baseline. No letter is in both splits, and of letters that look
    alike, such as Latin and Cyrillic capitals, there is one. With several faces each
    letter is there once in each of them, and the label says which.

    Args:
        source: face of the column ``source``; ``None`` for none.
        faces: faces of the data, out of :data:`FACES`; classes are places in this list.
        heldout: share of the letters held out.
        seed: of the choice; runs' own seeds do not change it.

    Raises:
        GanforgeError: for unknown faces.
    """

    def __init__(
        self,
        source: str | None = "sans",
        faces: Sequence[str] = ("serif",),
        *,
        heldout: ProperFraction = 0.1,
        seed: Whole = 0,
    ) -> None:
        named = [*faces, *([] if source is None else [source])]
        if not faces or len({*faces}) < len(faces) or not {*named} <= FACES.keys():
            raise GanforgeError(f"Faces must be different ones out of {', '.join(FACES)}, got {', '.join(named)}.")
        self.source, self.faces, self.heldout, self.seed = source, list(faces), heldout, seed

    def load(self, modality: Images) -> Splits:
        """Return both splits, ``(n, 1, h, w)``; a few seconds for 2,000 letters of 32 pixels."""
        from matplotlib.ft2font import FT2Font

        faces = [*self.faces, *([] if self.source is None else [self.source])]
        shared = set.intersection(*({*FT2Font(str(_file(face))).get_charmap()} for face in faces))
        letters = torch.tensor(_distinct(sorted(code for code in shared if chr(code).isalpha()), self.faces[0]))
        order = torch.randperm(len(letters), generator=torch_generator(self.seed, "glyphs"))
        held = heldout_count(len(letters), self.heldout)
        size = (modality.height, modality.width)
        return Splits(
            *(self._split(letters[rows.sort().values].tolist(), size) for rows in (order[held:], order[:held]))
        )

    def _split(self, letters: list[int], size: tuple[int, int]) -> Split:
        drawn = torch.cat([_drawn(face, letters, size) for face in self.faces])
        faces = torch.arange(len(self.faces)).repeat_interleave(len(letters))
        given = {LABEL: Column(faces, Labels(len(self.faces)))}
        if self.source is not None:
            source = _drawn(self.source, letters, size).repeat(len(self.faces), 1, 1, 1)
            given[SOURCE] = Column(source, Images(size, 1))
        return Split(Column(drawn, Images(size, 1)), given)


def _file(face: str) -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{FACES[face]}.ttf"


def _distinct(letters: list[int], face: str) -> list[int]:
    """Leave out letters that look like an earlier one, as Greek and Cyrillic capitals do."""
    pictures = _drawn(face, letters, (32, 32)).numpy()
    first = {picture.tobytes(): code for code, picture in zip(letters[::-1], pictures[::-1], strict=True)}
    return sorted(first.values())


def _drawn(face: str, letters: list[int], size: tuple[int, int]) -> torch.Tensor:
    """Draw letters on one baseline, centred by their width; 75 % of the height is the size of the type."""
    height, width = size
    font = ImageFont.truetype(str(_file(face)), max(1, round(0.75 * height)), layout_engine=ImageFont.Layout.BASIC)
    pages = np.empty((len(letters), 1, height, width), np.uint8)
    for page, code in zip(pages, letters, strict=True):
        image = Image.new("L", (width, height))
        ImageDraw.Draw(image).text((width / 2, 0.75 * height), chr(code), 255, font, anchor="ms")
        page[0] = np.asarray(image)
    return torch.from_numpy(pages)
