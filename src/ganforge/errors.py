"""The one exception that a user is meant to read."""

__all__ = ["GanforgeError", "Stopped"]


class GanforgeError(Exception):
    """A condition the user can act on, told in one sentence: the cause, then the way out.

    The command line prints the sentence without a stack trace and exits with status 1; ``debug=true`` shows the trace.
    """


class Stopped(GanforgeError):  # noqa: N818 - not an error: the run did what it was asked to
    """A run that ended early on request (Ctrl-C or SIGTERM), after saving everything.

    Args:
        message: what was saved and how to go on.
        exit_code: 128 plus the signal's number, as shells report it.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
