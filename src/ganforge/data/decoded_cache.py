"""The files of a decoded set, and whether they are as they were written."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import shown, write_text
from ganforge.data.columns import Column
from ganforge.data.modality import Images

__all__ = ["ARRAY", "IN_MEMORY", "UNREADABLE", "Index", "finish", "reserve", "stored", "write_header", "writing"]

ARRAY, UNREADABLE, _INDEX = "images.npy", "unreadable.txt", "kept.json"

#: Bytes of the largest decoded array that is held in memory, and whose content is compared with its checksum at every
#: start; of a larger one, when its size or time of change are others than when it was written.
IN_MEMORY = 2 * 1024**3


@dataclass(frozen=True)
class Index:
    """What a decoded array holds.

    Attributes:
        kept: which files, in the order of the rows.
        checksum: the array's :attr:`~ganforge.data.columns.Column.fingerprint`.
        size: bytes of the array's file.
        modified: nanoseconds, when that was written.
        unreadable: how many files are not in it.
        notes: how many files there is something to say of, by what.
    """

    kept: list[int]
    checksum: str
    size: int
    modified: int
    unreadable: int
    notes: dict[str, int]


def stored(folder: Path, *, aloud: bool = False) -> tuple[np.ndarray, Index] | None:
    """Return the decoded array and its index; ``None`` if it was never finished, or is damaged, said if ``aloud``."""
    if not (folder / _INDEX).exists():
        return None
    try:
        return _read(folder)
    except Exception as error:  # NumPy reads a damaged header with Python's own parser
        if aloud:
            say(f"Decoded images in '{shown(folder)}' are damaged ({first_line(error)}): they are decoded again.")
        return None


def _read(folder: Path) -> tuple[np.ndarray, Index]:
    """Return the decoded array and its index; ValueError and more if they are not as they were written."""
    document = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    index = Index(**document["index"])
    if document["checksum"] != _checksum(index):
        raise ValueError("kept.json is not as it was written")
    images = np.load(folder / ARRAY, mmap_mode="r", allow_pickle=False)
    if _is_changed(folder, images, index):
        raise ValueError("images.npy is not as it was written")
    return images, index


def _is_changed(folder: Path, images: np.ndarray, index: Index) -> bool:
    """Whether the array is another than the one written; see :data:`IN_MEMORY`."""
    status = (folder / ARRAY).stat()
    as_written = (status.st_size, status.st_mtime_ns) == (index.size, index.modified)
    if len(images) != len(index.kept):
        return True
    if as_written and images.nbytes > IN_MEMORY:
        return False
    return _fingerprint(images) != index.checksum


def _fingerprint(images: np.ndarray) -> str:
    return Column(images, Images(images.shape[2:], images.shape[1])).fingerprint


def _checksum(index: Index) -> str:
    return hashlib.blake2b(json.dumps(asdict(index), sort_keys=True).encode(), digest_size=16).hexdigest()


@contextmanager
def writing(cache: Path) -> Iterator[None]:
    """Say in one sentence that nothing can be written to the cache."""
    try:
        yield
    except OSError as error:
        raise GanforgeError(
            f"Decoded images cannot be kept in '{shown(cache)}' ({error.strerror or error}): make room there, or "
            "choose a folder that can be written with paths.cache=FOLDER or the environment's GANFORGE_CACHE."
        ) from error


def reserve(handle: BinaryIO, size: int) -> None:
    """Take the disk's space for ``size`` bytes now: a full disk is found before hours of decoding, not after them.

    Raises:
        OSError: if the disk is too full.
    """
    if not hasattr(os, "posix_fallocate") or not size:  # macOS
        return
    try:
        os.posix_fallocate(handle.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):  # file systems that cannot reserve
            raise


def write_header(handle: BinaryIO, count: int, shape: tuple[int, ...]) -> None:
    """Write a header of one length for any ``count``: NumPy leaves room for the first axis to grow."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(handle, header)


def finish(folder: Path, kept: list[int], unreadable: int, notes: dict[str, int]) -> None:
    """Write the index of an array that is there, as the mark of a whole set; see :class:`Index`."""
    path = folder / ARRAY
    status = path.stat()
    fingerprint = _fingerprint(np.load(path, mmap_mode="r", allow_pickle=False))
    index = Index(kept, fingerprint, status.st_size, status.st_mtime_ns, unreadable, notes)
    write_text(folder / _INDEX, json.dumps({"checksum": _checksum(index), "index": asdict(index)}))
