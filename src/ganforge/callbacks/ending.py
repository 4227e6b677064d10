"""The ending of a run."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Ending"]


@dataclass(frozen=True)
class Ending:
    """The ending of a run.

    Attributes:
        kind: ``completed``; ``interrupted`` by a signal or the sweep; ``unhealthy``: stopped for an alarm; or
            ``pruned`` by its study.
        message: what happened and how to go on; empty where the run was completed.
        signal: number of the signal that interrupted it; else 0.
    """

    kind: Literal["completed", "interrupted", "unhealthy", "pruned"]
    message: str = ""
    signal: int = 0
