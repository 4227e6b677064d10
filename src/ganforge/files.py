"""Files that several processes touch, and files that must not be half written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

__all__ = ["lock", "write_text"]


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Create ``folder`` and hold it alone: another process that asks waits until this one is done or dead."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


def write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
