"""Messages to the user: rank 0's console, and the run's log file."""

import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown
from ganforge.core.launch import environment_rank
from ganforge.core.secrets import masked_text
from ganforge.core.sweep import label

__all__ = ["kept", "log_to", "muted", "say", "warnings_reported"]

_log = logging.getLogger("ganforge")


class _Console(logging.Handler):
    """Writes lines to standard output, above a progress bar if there is one; runs side by side name themselves."""

    silent = False

    def emit(self, record: logging.LogRecord) -> None:
        if _Console.silent:
            return
        from tqdm import tqdm

        prefix = f"[{label()}] " if label() else ""
        try:
            tqdm.write(prefix + record.getMessage(), file=sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise GanforgeError(f"Standard output cannot be written to: {error.strerror}.") from None


class _LogFile(logging.FileHandler):
    """Appends to a file; what a full disk or a read-only folder keeps out of it is lost, and ends nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace", delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Keep quiet: logging would print a traceback."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _Kept(logging.Handler):
    """Keeps lines."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record)


def say(message: str) -> None:
    """Print a message to the user, from the first process only; secrets in it are masked."""
    if environment_rank() == 0:
        _log.info(masked_text(shown(message)))


@contextmanager
def kept() -> Iterator[list[logging.LogRecord]]:
    """Keep what is said meanwhile, for the file of a run whose folder is not there yet."""
    handler = _Kept()
    _log.addHandler(handler)
    try:
        yield handler.said
    finally:
        _log.removeHandler(handler)


@contextmanager
def log_to(path: Path | None, earlier: Sequence[logging.LogRecord] = ()) -> Iterator[None]:
    """Send what :func:`say` says to the console and, where there is a ``path``, to that file, which is appended to.

    May be nested, as a sweep and its runs do: the console has each message once.

    Args:
        path: of the file, in a folder that is made.
        earlier: what goes to the file first; see :func:`kept`.
    """
    has_console = any(isinstance(handler, _Console) for handler in _log.handlers)
    handlers: list[logging.Handler] = [] if has_console else [_Console()]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(_LogFile(path))
        for record in earlier:
            handlers[-1].handle(record)
    level, propagate = _log.level, _log.propagate
    _log.setLevel(logging.INFO)
    _log.propagate = False
    for handler in handlers:
        _log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            _log.removeHandler(handler)
            handler.close()
        _log.setLevel(level)
        _log.propagate = propagate


@contextmanager
def muted() -> Iterator[None]:
    """Keep what is said off the console meanwhile; log files still take it."""
    previous, _Console.silent = _Console.silent, True
    try:
        yield
    finally:
        _Console.silent = previous


@contextmanager
def warnings_reported(category: type[Warning], reported: set[str]) -> Iterator[None]:
    """Print warnings of a category as notes, each once, as ``reported`` remembers; others pass as they are."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", category)
        yield
    for warning in caught:
        text = str(warning.message)
        if not issubclass(warning.category, category):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif text not in reported:
            reported.add(text)
            say(f"Note: {text}")
