"""Any folder of images."""

from pathlib import Path

import torch

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Split, Splits
from ganforge.data.decoded import decode
from ganforge.data.embedded import split
from ganforge.data.modality import Images

__all__ = ["ImageFolder", "image_files"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
#: Decoded datasets up to this size are held in memory, larger ones mapped.
IN_MEMORY_BYTES = 2 * 1024**3


def image_files(path: Path) -> list[Path]:
    """Return every image file below a folder, sorted.

    Raises:
        GanforgeError: if it is no folder.
    """
    if not path.is_dir():
        raise GanforgeError(f"'{path}' is not a folder: give the folder that holds the images.")
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


class ImageFolder:
    """Every image below a folder; its direct subfolders are classes if ``labelled``.

    Decoded arrays below 2 GiB are held in memory, larger ones are memory-mapped.

    Args:
        path: the folder.
        cache: folder of decoded arrays.
        labelled: whether subfolders are classes, numbered in alphabetical order.
        heldout: share of the images (of each class) held out.
        workers: processes that decode.
        max_unreadable: share of unreadable files above which the folder is refused.
    """

    def __init__(
        self,
        path: str | None,
        cache: str,
        *,
        labelled: bool = False,
        heldout: float = 0.1,
        workers: int = 2,
        max_unreadable: float = 0.01,
    ) -> None:
        if path is None:
            raise GanforgeError("data=image_folder needs a folder: add data.source.path=FOLDER.")
        self.path, self.cache = Path(path).expanduser(), Path(cache).expanduser()
        self.labelled, self.heldout = labelled, heldout
        self.workers, self.max_unreadable = workers, max_unreadable

    def load(self, modality: Images) -> Splits:
        """Return both splits, decoded at the modality's size."""
        files = self._files()
        labels = self._labels(files) if self.labelled else None
        decoded = decode(
            files,
            labels,
            modality,
            self.cache,
            workers=self.workers,
            max_unreadable=self.max_unreadable,
        )
        if decoded.data.values.nbytes <= IN_MEMORY_BYTES:
            return split(decoded.data.read(), decoded.label, self.heldout, modality)
        return self._mapped(decoded)

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise GanforgeError(
                f"data.source.path='{self.path}' is not a folder: give the folder that holds the images."
            )
        files = image_files(self.path)
        if len(files) < 2:
            raise GanforgeError(
                f"'{self.path}' holds {len(files)} image file(s) ({', '.join(sorted(_SUFFIXES))}), and training "
                f"needs at "
                "least two: give another folder with data.source.path=FOLDER."
            )
        return files

    def _labels(self, files: list[Path]) -> list[int]:
        names = [file.relative_to(self.path).parts[0] for file in files]
        if any(self.path / name == file for name, file in zip(names, files, strict=True)):
            raise GanforgeError(
                f"'{self.path}' holds images outside class subfolders: move them, or set data.source.labelled=false."
            )
        classes = {name: number for number, name in enumerate(sorted(set(names)))}
        return [classes[name] for name in names]

    def _mapped(self, decoded: Split) -> Splits:
        """Split by row numbers, without copying."""
        order = torch.randperm(len(decoded), generator=torch_generator(0, "split"))
        held = max(1, round(len(decoded) * self.heldout))
        parts = {"train": order[held:].sort().values, "heldout": order[:held].sort().values}
        identity = decoded.data.identity
        return Splits(**{name: decoded.take(rows, f"{identity}-{name}-{held}") for name, rows in parts.items()})
