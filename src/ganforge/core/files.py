"""Files that several processes touch, and files that must not be half written."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from ganforge.core.errors import GanforgeError

__all__ = ["is_disk_full", "lock", "removed_on_failure", "replacing", "write_text"]


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Create ``folder`` and hold it alone: another process that asks waits until this one is done or dead."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


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
