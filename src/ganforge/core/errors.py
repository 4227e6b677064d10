"""The one exception that a user is meant to read."""

__all__ = ["GanforgeError", "Pruned", "Stopped", "StudyError", "TakenOver", "first_line"]


class GanforgeError(Exception):
    """A condition the user can act on, described in one sentence: the cause, then the way out.

    The command line prints the sentence without a stack trace and exits with status 1; ``debug=true`` shows the trace.
    """


class Pruned(GanforgeError):  # noqa: N818 - not an error: the study has seen enough
    """A study's trial that ended early, because others were better at the same clock."""


class StudyError(GanforgeError):
    """What is wrong with a study as a whole: another trial would meet it too."""


class TakenOver(GanforgeError):  # noqa: N818 - not an error: another process does the work
    """A study's trial that another worker has gone on with, as this one had been silent for long."""


class Stopped(GanforgeError):  # noqa: N818 - not an error: the run did what it was asked to
    """A run that ended early on request (Ctrl-C, SIGTERM or SIGHUP), after saving everything.

    Args:
        message: what was saved and how to go on.
        exit_code: 128 plus the signal's number, as shells report it.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, or its class where it has none: libraries write paragraphs."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
