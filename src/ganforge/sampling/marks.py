"""What files of ``ganforge sample`` hold to be known again: those of other programs are never replaced."""

import zipfile
from pathlib import Path
from typing import Any

__all__ = ["MARK", "is_marked", "mark_archive", "png_mark"]

#: A comment of pictures, films and archives, and an entry of exported generators' metadata.
MARK = b"ganforge sample"

_ARCHIVES = (".zip", ".npz", ".pt2")
#: Formats whose comment stands behind what they hold.
_AT_THE_END = (".mp4", ".onnx")
_ENDS = 65536


def png_mark() -> Any:
    """Return what a PNG says of the program that has written it."""
    from PIL.PngImagePlugin import PngInfo

    information = PngInfo()
    information.add_text("Software", MARK.decode())
    return information


def mark_archive(path: Path) -> None:
    """Write the mark as the comment of a zip archive, whatever its suffix; leave other files as they are."""
    if path.suffix in _ARCHIVES:
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = MARK


def is_marked(path: Path) -> bool:
    """Whether a file was written by ``ganforge sample``."""
    try:
        with path.open("rb") as file:
            head = file.read(_ENDS)
            file.seek(max(0, path.stat().st_size - _ENDS))
            tail = file.read(_ENDS)
    except OSError:
        return False
    if path.suffix in _ARCHIVES:  # what it holds may be pictures that are marked
        return tail.endswith(MARK)
    return MARK in (tail if path.suffix in _AT_THE_END else head)
