"""Checkpoint files: the last, the one before, and copies such as the best."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from ganforge.callbacks.clocked import Clocked
from ganforge.core.annotations import Positive
from ganforge.core.distributed import rank
from ganforge.core.files import removed_on_failure

__all__ = ["Checkpoint"]


class Checkpoint(Clocked):
    """Keeps ``last.ckpt`` and ``previous.ckpt``, and copies such as ``best.ckpt``, each whole at every moment.

    A checkpoint is written beside its place and moved there, so that a killed process or a full disk loses nothing.

    Args:
        folder: where the files go.
        every_kimg: thousands of images between checkpoints.
    """

    def __init__(self, folder: str, every_kimg: Positive) -> None:
        super().__init__(every_kimg)
        self.folder = Path(folder)

    def save(self, write: Callable[[Path], None], copies: Sequence[str] = ()) -> None:
        """Write ``last.ckpt``; what was there becomes ``previous.ckpt``. Called on all ranks.

        The copies come first: wherever a process is killed, ``best.ckpt`` is the best of all that ``last.ckpt`` knows.

        Args:
            write: writes the checkpoint to a path; a collective operation of all ranks.
            copies: names under which the checkpoint is kept as well, such as ``best``.
        """
        temporary, last = self.folder / ".last.part", self.folder / "last.ckpt"
        self.folder.mkdir(parents=True, exist_ok=True)
        with removed_on_failure(temporary):
            write(temporary)
            if rank() != 0:
                return
            for name in copies:
                self._copy(temporary, name)
        if last.exists():
            last.replace(self.folder / "previous.ckpt")
        temporary.replace(last)

    def keep(self, name: str) -> None:
        """Keep ``last.ckpt`` under another name as well; called on rank 0."""
        self._copy(self.folder / "last.ckpt", name)

    def _copy(self, source: Path, name: str) -> None:
        copy = self.folder / f".{name}.part"
        with removed_on_failure(copy):
            shutil.copyfile(source, copy)
        copy.replace(self.folder / f"{name}.ckpt")
