"""The result of a mode, saved atomically."""

import io
import re
from abc import ABC, abstractmethod
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.core.files import replacing

if TYPE_CHECKING:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

__all__ = ["Film", "Picture", "Result"]


#: Names of what a folder of images holds.
_WRITTEN = re.compile(r"\d+\.png|labels\.csv")

#: What pictures and films hold somewhere, so that those of other programs are not replaced.
_MARK = b"ganforge sample"

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
            force: replace what is there.

        Raises:
            GanforgeError: if the name ends otherwise, something is there, the disk is full, or ``path`` is a folder
                that holds anything besides images and labels as they are written here: ``force`` deletes no such one.
        """
        path = Path(path).expanduser()
        if path.suffix != self.suffix:
            wanted = f"end in {self.suffix}" if self.suffix else "be a folder's name, without a dot"
            raise GanforgeError(f"output must {wanted} here, got '{path}'.")
        if path.name in ("", ".."):
            raise GanforgeError(f"output must name a file or folder of its own, got '{path}'.")
        if path.exists() and not force and not (self.is_cheap and path.is_file() and _MARK in path.read_bytes()):
            raise GanforgeError(f"'{path}' is there already: add force=true to replace it, or choose another output.")
        if path.is_dir() or (path.is_symlink() and not self.suffix):
            self._check_folder(path)
        with replacing(path) as temporary:
            self._write(temporary)
        return path

    def _may_write(self, name: str) -> bool:
        """Return whether a file in a folder may be this mode's own."""
        return _WRITTEN.fullmatch(name) is not None

    def _check_folder(self, path: Path) -> None:
        """Raise GanforgeError unless ``path`` is a folder that holds only what :class:`Result` writes to one."""
        if path.is_symlink():
            raise GanforgeError(f"'{path}' is a link, which is not replaced: give the folder that it points to.")
        foreign = [entry.name for entry in path.iterdir() if not (self._may_write(entry.name) and entry.is_file())]
        if self.suffix or foreign:
            held = f"holds '{min(foreign)}', which was not written there by this mode" if foreign else "is a folder"
            raise GanforgeError(f"'{path}' {held}, and is not replaced: choose another output.")


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
        self.image.save(path, format="png", pnginfo=_mark())

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
            first.save(path, format="gif", save_all=True, append_images=rest, duration=durations, loop=0, comment=_MARK)
        else:
            self._write_mp4(path)

    def _write_mp4(self, path: Path) -> None:
        from fractions import Fraction

        import av

        # H.264 with halved colour resolution, which every player reads, wants even sides.
        height, width = self.frames.shape[-2:]
        frames = torch.nn.functional.pad(self.frames, (0, width % 2, 0, height % 2), value=255)
        with av.open(str(path), "w", format="mp4") as container:
            container.metadata["comment"] = _MARK.decode()
            stream = container.add_stream("libx264", rate=Fraction(self.fps).limit_denominator(1000))
            stream.height, stream.width = frames.shape[-2:]
            stream.pix_fmt, stream.options = "yuv420p", {"crf": "16"}
            for frame in frames.permute(0, 2, 3, 1).contiguous().numpy():
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())


def _mark() -> "PngInfo":
    """Return what a PNG says of the program that has written it."""
    from PIL.PngImagePlugin import PngInfo

    information = PngInfo()
    information.add_text("Software", _MARK.decode())
    return information


def _pillow(pixels: Tensor) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def _enlarge(pixels: Tensor, zoom: int) -> Tensor:
    from ganforge.sampling.checks import whole

    times = whole("zoom", zoom)
    return pixels.repeat_interleave(times, -1).repeat_interleave(times, -2)
