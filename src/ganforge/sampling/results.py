"""The result of a mode, saved atomically."""

import io
import os
import re
from abc import ABC, abstractmethod
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.core.files import replacing
from ganforge.sampling.marks import MARK, is_marked, mark_archive, png_mark

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Film", "Picture", "Result"]


#: Names of a folder's images, and how its table begins.
_NAME = re.compile(r"\d+\.png")
_TABLE = b"file,label\n"

#: Steps of a GIF's clock a second; viewers slow down frames that last one step.
_GIF_STEPS = 100
_GIF_MOST_FPS = 50


class Result(ABC):
    """Something that can be saved.

    Attributes:
        suffix: how the file's name ends; empty for a folder.
        note: a caption of one sentence.
        is_cheap: whether it replaces an earlier result without ``force``.
    """

    suffix: str
    note: str = ""
    is_cheap: ClassVar[bool] = False

    @abstractmethod
    def _write(self, path: Path) -> None:
        """Write to ``path``, which does not exist yet."""

    def enlarged(self, zoom: int) -> Self:
        """Return it with each pixel ``zoom`` times as wide and high; GanforgeError if it has no pixels."""
        if zoom != 1:
            raise GanforgeError("zoom enlarges pictures and films, and this mode makes neither: leave zoom out.")
        return self

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write it; a reader never sees half of it.

        Args:
            path: where to, ending in ``suffix``; missing folders are made.
            force: replace an earlier result; nothing else is ever replaced.

        Raises:
            GanforgeError: if the name ends otherwise, something is there, or the disk is full.
        """
        path = Path(path).expanduser()
        if path.suffix != self.suffix:
            wanted = f"end in {self.suffix}" if self.suffix else "be a folder's name, without a dot"
            raise GanforgeError(f"output must {wanted} here, got '{path}'.")
        if path.name in ("", ".."):
            raise GanforgeError(f"output must name a file or folder of its own, got '{path}'.")
        if os.path.lexists(path):
            self._check_own(path)
            if not force and not self.is_cheap:
                raise GanforgeError(
                    f"'{path}' is there already: add force=true to replace it, or choose another output."
                )
        with replacing(path) as temporary:
            self._write(temporary)
            mark_archive(temporary)
        return path

    def _may_write(self, name: str) -> bool:
        """Return whether a picture in a folder may be this mode's own, by its name."""
        return _NAME.fullmatch(name) is not None

    def _check_own(self, path: Path) -> None:
        """Raise GanforgeError unless :class:`Result` has written what is at ``path``."""
        if path.is_symlink():
            raise GanforgeError(f"'{path}' is a link, which is not replaced: give the place that it points to.")
        is_folder = path.is_dir()
        foreign = [entry.name for entry in path.iterdir() if not self._is_own(entry)] if is_folder else []
        if foreign:
            held = f"holds '{min(foreign)}', which was not written there by this command"
        elif is_folder and self.suffix:
            held = "is a folder"
        elif not is_folder and not is_marked(path):
            held = "was not written by this command"
        else:
            return
        raise GanforgeError(f"'{path}' {held}, and is not replaced: choose another output.")

    def _is_own(self, entry: Path) -> bool:
        """Return whether a folder's entry is one that this mode writes."""
        if entry.is_symlink() or not entry.is_file():
            return False
        if entry.name == "labels.csv":
            with entry.open("rb") as file:
                return file.read(len(_TABLE)) == _TABLE
        return self._may_write(entry.name) and is_marked(entry)


class Picture(Result):
    """A picture, ``(3, H, W)`` uint8; notebooks show it.

    Args:
        pixels: the picture.
        note: its caption.
    """

    suffix = ".png"
    is_cheap = True

    def __init__(self, pixels: Tensor, note: str = "") -> None:
        self.pixels, self.note = pixels, note

    @property
    def image(self) -> "Image.Image":
        """The picture as a ``PIL.Image``."""
        return _pillow(self.pixels)

    def enlarged(self, zoom: int) -> Self:
        """See :class:`Result`."""
        return type(self)(_enlarge(self.pixels, zoom), self.note)

    def _write(self, path: Path) -> None:
        self.image.save(path, format="png", pnginfo=png_mark())

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, format="png")
        return buffer.getvalue()


class Film(Result):
    """A film, ``(t, 3, H, W)`` uint8, as GIF or MP4.

    A GIF's frames last whole hundredths of a second: for other rates they differ by one, and the whole is as long as
    it should be.

    Args:
        frames: the film.
        fps: frames a second.
        suffix: ``.gif``, or ``.mp4`` (H.264; needs the extra ``video``).
        note: its caption.
    """

    is_cheap = True

    def __init__(self, frames: Tensor, fps: float, suffix: str = ".gif", note: str = "") -> None:
        if suffix == ".gif" and fps > _GIF_MOST_FPS:
            raise GanforgeError(f"mode.fps={fps:g} is more than a GIF can show: at most {_GIF_MOST_FPS}, or use mp4.")
        self.frames, self.fps, self.suffix, self.note = frames, fps, suffix, note

    def enlarged(self, zoom: int) -> Self:
        """See :class:`Result`."""
        return type(self)(_enlarge(self.frames, zoom), self.fps, self.suffix, self.note)

    def _write(self, path: Path) -> None:
        if self.suffix == ".gif":
            first, *rest = (_pillow(frame) for frame in self.frames)
            ends = [round(number * _GIF_STEPS / self.fps) for number in range(len(self.frames) + 1)]
            durations = [10 * (end - start) for start, end in pairwise(ends)]  # milliseconds
            first.save(path, format="gif", save_all=True, append_images=rest, duration=durations, loop=0, comment=MARK)
        else:
            self._write_mp4(path)

    def _write_mp4(self, path: Path) -> None:
        from fractions import Fraction

        import av

        # H.264 with halved colour resolution, which every player reads, wants even sides.
        height, width = self.frames.shape[-2:]
        frames = torch.nn.functional.pad(self.frames, (0, width % 2, 0, height % 2), value=255)
        with av.open(str(path), "w", format="mp4") as container:
            container.metadata["comment"] = MARK.decode()
            stream = container.add_stream("libx264", rate=Fraction(self.fps).limit_denominator(1000))
            stream.height, stream.width = frames.shape[-2:]
            stream.pix_fmt, stream.options = "yuv420p", {"crf": "16"}
            for frame in frames.permute(0, 2, 3, 1).contiguous().numpy():
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())


def _pillow(pixels: Tensor) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def _enlarge(pixels: Tensor, zoom: int) -> Tensor:
    from ganforge.sampling.checks import whole

    times = whole("zoom", zoom)
    return pixels.repeat_interleave(times, -1).repeat_interleave(times, -2)
