"""Published datasets of two sides, as pix2pix and CycleGAN distribute them; downloaded only on request."""

import shutil
import tarfile
import urllib.request
import zipfile
from pathlib import Path

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import lock, shown
from ganforge.data.columns import Splits
from ganforge.data.modality import Images
from ganforge.data.pairs import PairedFolder, UnpairedFolder

__all__ = ["ADDRESSES", "Published"]

#: Where the authors of pix2pix and CycleGAN keep their archives. Cityscapes may not be passed on: it is made from the
#: files of its own site by ``prepare_cityscapes_dataset.py`` of the official repository.
ADDRESSES: dict[str, str | None] = {
    "facades": "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz",
    "maps": "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/maps.tar.gz",
    "horse2zebra": "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/horse2zebra.zip",
    "cityscapes": None,
}

#: Seconds without an answer after which a download is given up.
_PATIENCE = 60

_BLOCK = 1 << 20


class Published:
    """A published dataset in the folder ``root/name``, fetched from its authors' host where it is not there.

    Args:
        name: of :data:`ADDRESSES`.
        root: folder of downloaded datasets.
        folder: reads the dataset's own folder, wherever ``root`` is.
        download: fetch what is missing.
    """

    def __init__(self, name: str, root: str, folder: PairedFolder | UnpairedFolder, *, download: bool = False) -> None:
        if name not in ADDRESSES:
            raise GanforgeError(f"ganforge reads no '{name}': set data.source.name to one of {', '.join(ADDRESSES)}.")
        self.name, self.root, self.folder, self.download = name, Path(root).expanduser(), folder, download
        folder.path = self.root / name  # an evaluation may say root=, and the run's folder was another one

    def load(self, modality: Images) -> Splits:
        """Return both splits, as the folder has them.

        Raises:
            GanforgeError: if the files are missing and may not, or could not, be downloaded.
        """
        if not self.folder.path.is_dir():
            self._fetch()
        return self.folder.load(modality)

    def _fetch(self) -> None:
        address = ADDRESSES[self.name]
        there = f"{self.name} is not in '{shown(self.root)}'"
        if address is None:
            raise GanforgeError(
                f"{there}, and its licence forbids to pass it on: fetch gtFine and leftImg8bit from "
                "cityscapes-dataset.com, make folders of pairs by pix2pix's prepare_cityscapes_dataset.py, and lay "
                "them there."
            )
        if not self.download:
            raise GanforgeError(f"{there}: add download=true to fetch it, or paths.data=FOLDER if it lies elsewhere.")
        temporary = self.root / f".{self.name}.part"
        try:
            with lock(self.root):
                if self.folder.path.is_dir():  # another process was faster
                    return
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
                _unpack(_downloaded(address, temporary), temporary)
                (temporary / self.name).replace(self.root / self.name)
        except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise GanforgeError(
                f"{self.name} could not be downloaded into '{shown(self.root)}' ({first_line(error)}): check the "
                f"network, or unpack {address} there on a machine that has one, and copy it."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _downloaded(address: str, folder: Path) -> Path:
    """Fetch a file; OSError if the host does not answer, or ends before all of it was sent."""
    target = folder / address.rpartition("/")[2]
    say(f"{address} is downloaded.")
    with urllib.request.urlopen(address, timeout=_PATIENCE) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file, _BLOCK)
        announced = answer.headers.get("Content-Length")
    if announced is not None and int(announced) != target.stat().st_size:
        raise OSError(f"{target.stat().st_size:,} of {int(announced):,} bytes arrived")
    return target


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack pictures and folders alone, none of them outside of ``folder``."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(folder)  # leaves out what would lead outside
        return
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
