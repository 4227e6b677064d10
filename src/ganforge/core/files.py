"""Files that several processes touch, and files that must not be half written."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from ganforge.core.errors import GanforgeError

__all__ = [
    "MOST_DEPTH",
    "OwnFiles",
    "is_disk_full",
    "lock",
    "read_json",
    "read_small",
    "removed_on_failure",
    "replacing",
    "shown",
    "write_text",
]

#: What files of a run's folder are far below of; beyond that they are not read.
_MOST_BYTES = 16_000_000
MOST_DEPTH = 64


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Create ``folder`` and hold it alone: another process that asks waits until this one is done or dead.

    Raises:
        GanforgeError: if a folder stands where the lock's file has to.
        OSError: if ``folder`` cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    if path.is_dir():
        raise GanforgeError(
            f"'{shown(path)}' is a folder, and processes wait for each other by a file there: remove it."
        )
    with FileLock(path):
        yield


def shown(path: str | os.PathLike[str]) -> str:
    r"""Return a path, or text with one, as any file and console takes it: bytes that are no UTF-8 as ``\xe9``."""
    return os.fspath(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.part")
    with removed_on_failure(temporary):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


@contextmanager
def removed_on_failure(temporary: Path) -> Iterator[None]:
    """Remove a file that could not be written whole, which would take space on a full disk."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


#: A disk without space, a quota that is used up, and a limit to a file's size (``ulimit -f``).
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_json(path: Path) -> Any:
    """Return what a small JSON file holds.

    Raises:
        ValueError: if it is no JSON, or larger or more deeply nested than anything that ganforge writes.
        OSError: if it cannot be read.
    """
    try:
        content = json.loads(read_small(path))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(MOST_DEPTH):
        level = [below for node in level for below in (node.values() if isinstance(node, dict) else node)]
        level = [node for node in level if isinstance(node, dict | list)]
        if not level:
            return content
    raise ValueError("it is nested too deeply")


def read_small(path: Path) -> str:
    """Return the text of a small file.

    Raises:
        ValueError: if it is larger than anything of that kind that ganforge writes, or no text.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES / 1e6:.0f} MB")
    return content.decode("utf-8")


class OwnFiles:
    """The files of a folder that a command has begun, by a list in it; beside them may lie somebody else's.

    Args:
        folder: made where it is not there.
        way_out: what the sentence about somebody else's file ends with.

    Raises:
        GanforgeError: if the folder cannot be made.
    """

    def __init__(self, folder: Path, way_out: str = "choose another folder with output=DIR") -> None:
        self.folder, self._list, self._way_out = folder, folder / "written.json", way_out
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GanforgeError(f"'{folder}' cannot be made ({error.strerror}): {way_out}.") from error
        try:
            names = read_json(self._list)["files"]
        except (OSError, ValueError, KeyError, TypeError):
            names = []
        self._names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def claim(self, *names: str) -> None:
        """Begin files of these names, or go on writing those that were begun.

        Raises:
            GanforgeError: if one is there that was not.
        """
        for name in names:
            if name not in self._names and os.path.lexists(self.folder / name):
                raise GanforgeError(
                    f"'{self.folder / name}' was not written by this command, and is not replaced: {self._way_out}."
                )
        new = [name for name in names if name not in self._names]
        if new:
            self._names += new
            write_text(self._list, json.dumps({"files": self._names}, indent=2) + "\n")


def is_disk_full(error: BaseException) -> bool:
    """Whether ``error`` says so, by its number or, where a library has hidden that, by its text."""
    return (isinstance(error, OSError) and error.errno in _FULL) or "No space left on device" in str(error)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside ``path`` to write a file or a folder to; it takes ``path`` once it is whole.

    Whatever interrupts the writing, nothing half written stays, and what was at ``path`` before is still there.

    Raises:
        GanforgeError: if the disk is full.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        yield temporary
        _take(temporary, path)
    except Exception as error:
        if is_disk_full(error):
            raise GanforgeError(
                f"No space left for '{path}', and nothing half written is left of it: free some, or choose another "
                "place with output=PATH."
            ) from error
        raise
    finally:
        with suppress(OSError):
            _remove(temporary)


def _take(temporary: Path, path: Path) -> None:
    """Move ``temporary`` to ``path``; a folder there, which no move replaces, is aside until that is done."""
    if not path.is_dir():
        temporary.replace(path)
        return
    aside = path.with_name(f".{path.name}.replaced")
    _remove(aside)
    path.rename(aside)
    try:
        temporary.replace(path)
    except BaseException:
        aside.rename(path)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
