"""The images of a folder or a zip archive: what is taken, in which order, and what is left out and why."""

import io
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import IO

from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import shown
from ganforge.data.decoder import suffixes

__all__ = ["LABELS_FILE", "ImageFile", "Listing", "Member", "list_images"]

#: Of images in one folder, which class each is of; ``sample mode=images`` writes it.
LABELS_FILE = "labels.csv"

#: Suffixes of files that captions may stand in.
_TEXTS = (".txt", ".csv")

#: Bytes of the largest archived file that is unpacked.
_LARGEST_MEMBER = 1 << 30

#: How many reasons for leaving files out are named; the rest are one number.
_NAMED_REASONS = 6


@dataclass(frozen=True)
class Member:
    """A file in a zip archive, with the two things of a path that reading an image needs: its name and ``open``.

    Attributes:
        archive: the archive.
        name: the file's name in it.
        size: bytes, unpacked.
        checksum: CRC-32 of the content.
    """

    archive: Path
    name: str
    size: int
    checksum: int

    def __str__(self) -> str:
        return f"{self.archive}/{self.name}"

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Unpack into memory and return a handle on that.

        Raises:
            OSError: if the file is too large, damaged or encrypted.
        """
        if self.size > _LARGEST_MEMBER:
            raise OSError(f"{self.size:,} bytes unpacked, more than {_LARGEST_MEMBER:,}")
        try:
            return io.BytesIO(_archive(self.archive, os.getpid()).read(self.name))
        except Exception as error:  # zipfile's and the decompressors' own, RuntimeError for encrypted files
            raise OSError(first_line(error)) from error


@lru_cache(maxsize=1)
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    """Open an archive once a process: forked ones would share the place in the file."""
    return zipfile.ZipFile(path)


ImageFile = Path | Member


@dataclass(frozen=True)
class Listing:
    """What a folder or archive holds.

    Attributes:
        place: the folder or archive.
        files: its images, by their names below it, sorted folder by folder.
        folders: direct subfolders, with or without images.
        labels: its :data:`LABELS_FILE`, if there is one.
        texts: ``.txt`` and ``.csv`` files, by their names below it; they are among what is left out too.
        left_out: how many files are left out, by reason.
    """

    place: Path
    files: dict[tuple[str, ...], ImageFile]
    folders: frozenset[str]
    labels: ImageFile | None
    left_out: Counter[str] = field(default_factory=Counter)
    texts: dict[tuple[str, ...], ImageFile] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def is_in_subfolders(self) -> bool:
        """Whether every image lies in a subfolder."""
        return all(len(parts) > 1 for parts in self.files)

    def describe(self) -> str:
        """Return how many images there are, and how many files are left out and why."""
        count = {0: "no image", 1: "1 image"}.get(len(self), f"{len(self):,} images")
        held = f"'{shown(self.place)}' holds {count}"
        named = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))[:_NAMED_REASONS]
        reasons = [f"{count:,} {reason}" for reason, count in named]
        if rest := self.left_out.total() - sum(count for _, count in named):
            reasons.append(f"{rest:,} others")
        return f"{held}; left out: {', '.join(reasons)}" if reasons else held


def list_images(place: Path) -> Listing:
    """List a folder's images at any depth, or those of a zip archive.

    Files are taken by their suffix in any case. Names that begin with a dot, and what lies below them, are left out, as
    are other suffixes and links that lead nowhere; links to files and folders are followed.

    Raises:
        GanforgeError: if ``place`` is neither, cannot be read, or holds a folder that cannot.
    """
    if place.is_dir():
        return _listing(place, _walk(place))
    if place.suffix.lower() == ".zip" and place.is_file():
        return _listing(place, _members(place))
    if place.suffix and not place.exists():
        raise GanforgeError(f"'{shown(place)}' is not there: give the folder, or the archive, that holds the images.")
    raise GanforgeError(
        f"'{shown(place)}' is not a folder or a .zip file: give the folder, or the archive, that holds the images."
    )


#: A name below the place; the file, a reason to leave it out, or nothing for a folder.
_Entry = tuple[tuple[str, ...], ImageFile | str | None]


def _listing(place: Path, entries: Iterator[_Entry]) -> Listing:
    files: dict[tuple[str, ...], ImageFile] = {}
    folders: set[str] = set()
    left_out: Counter[str] = Counter()
    texts: dict[tuple[str, ...], ImageFile] = {}
    labels: ImageFile | None = None
    known = suffixes()
    for parts, entry in entries:
        if (len(parts) > 1 or entry is None) and not _is_hidden(parts[0]):
            folders.add(parts[0])
        if entry is None:
            continue
        suffix = PurePosixPath(parts[-1]).suffix
        if isinstance(entry, str):
            left_out[entry] += 1
        elif parts == (LABELS_FILE,):
            labels = entry
        elif suffix.lower() not in known:
            left_out[shown(suffix.lower()) or "without a suffix"] += 1
            texts |= {parts: entry} if suffix.lower() in _TEXTS else {}
        else:
            left_out["of a name that is there twice"] += parts in files
            files[parts] = entry
    return Listing(place, dict(sorted(files.items())), frozenset(folders), labels, +left_out, texts)


def _is_hidden(name: str) -> bool:
    """Whether a file or folder is no one's image: hidden, or a Mac's resource forks in an archive."""
    return name.startswith(".") or name == "__MACOSX"


def _walk(place: Path) -> Iterator[_Entry]:
    """Yield what lies below a folder; a link back to a folder on the way is left out."""
    waiting: list[tuple[Path, tuple[str, ...], frozenset[tuple[int, int]]]] = [(place, (), frozenset())]
    while waiting:
        folder, above, passed = waiting.pop()
        try:
            status = os.stat(folder)
            entries = list(os.scandir(folder))
        except OSError as error:
            raise GanforgeError(
                f"The folder '{shown(folder)}' cannot be read ({error.strerror or error}), so that nobody knows which "
                "images it holds: make it readable, or move it away."
            ) from error
        passed |= {(status.st_dev, status.st_ino)}
        for entry in entries:
            parts = (*above, entry.name)
            kind = _kind(entry, passed)
            if kind is None:
                waiting.append((folder / entry.name, parts, passed))
            yield parts, folder / entry.name if kind == _FILE else kind


_FILE = "file"


def _kind(entry: os.DirEntry[str], passed: frozenset[tuple[int, int]]) -> str | None:
    """Return ``None`` for a folder to go into, :data:`_FILE`, or a reason to leave the entry out."""
    if _is_hidden(entry.name):
        return "hidden"
    try:
        status = entry.stat()
    except OSError:
        return "links that lead nowhere"
    if stat.S_ISDIR(status.st_mode):
        return "links back" if (status.st_dev, status.st_ino) in passed else None
    return _FILE if stat.S_ISREG(status.st_mode) else "not plain files"


def _members(place: Path) -> Iterator[_Entry]:
    """Yield what an archive holds."""
    try:
        with zipfile.ZipFile(place) as archive:
            members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:  # the last: of newer formats
        raise GanforgeError(f"'{shown(place)}' cannot be read as a zip archive ({first_line(error)}).") from error
    for member in members:
        parts = tuple(part for part in member.filename.replace("\\", "/").split("/") if part)
        if not parts:
            continue
        if any(map(_is_hidden, parts)):
            yield parts, "hidden"
        elif member.is_dir():
            yield parts, None
        else:
            yield parts, Member(place, member.filename, member.file_size, member.CRC)
