"""Standard input, output and error that a long run can lose without ending. Imports nothing heavy."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TextIO, cast

__all__ = ["console_optional", "discard", "prepare_streams"]

#: What a stream raises that cannot write: a closed pipe, a terminal that is gone, a full disk; a closed file object; a
#: signal handler that writes while the interrupted code does.
_FAILURES = (OSError, ValueError, RuntimeError)


class _OptionalStream:
    """A text stream for which failing to write is no error; the text is lost.

    Each write is tried anew: a full disk may be freed.

    Args:
        stream: what is written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose, ``text``; return its length."""
        with suppress(*_FAILURES):
            self._stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write, or lose, lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out what the stream still holds, where that is possible."""
        with suppress(*_FAILURES):
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def discard(stream: TextIO) -> None:
    """Drop what a stream holds and cannot write: Python would fail on it when the process ends."""
    try:
        stream.flush()
    except _FAILURES:
        with suppress(*_FAILURES):
            _point_to_nothing(stream.fileno())
            stream.flush()


@contextmanager
def console_optional() -> Iterator[None]:
    """Go on without standard output or error when they cannot be written to; may be nested.

    A pipe whose reader has ended, a terminal that was closed, a full disk and a closed descriptor are all the same:
    what is printed is lost, and nothing is raised.
    """
    prepare_streams()
    before = sys.stdout, sys.stderr
    if isinstance(before[0], _OptionalStream):
        yield
        return
    sys.stdout, sys.stderr = (cast(TextIO, _OptionalStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in before:
            discard(stream)


def prepare_streams() -> None:
    """Put the null device where a standard stream was closed before the program began; escape what cannot be encoded.

    Without that the next file that is opened, such as a checkpoint, becomes standard output, and what a library prints
    ends in it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            _point_to_nothing(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            with suppress(*_FAILURES):  # it writes out what the stream holds
                stream.reconfigure(errors="backslashreplace")


def _point_to_nothing(descriptor: int) -> None:
    """Put the null device behind a descriptor, for child processes too."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == descriptor:
        os.set_inheritable(nothing, True)
        return
    os.dup2(nothing, descriptor)
    os.close(nothing)
