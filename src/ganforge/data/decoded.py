"""Image files decoded once, by worker processes, into one memory-mapped uint8 array that is checked when read."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import lock, shown, write_text
from ganforge.data.columns import Column, Split, labelled
from ganforge.data.decoder import VERSION, UnreadableImage, read_picture
from ganforge.data.listing import ImageFile
from ganforge.data.modality import Images

__all__ = ["IN_MEMORY", "decode"]

#: Bytes of the largest decoded array that is held in memory, and whose content is compared with its checksum at every
#: start; of a larger one, when its size or time of change are others than when it was written.
IN_MEMORY = 2 * 1024**3


class _Decoder(Dataset[tuple[int, np.ndarray | None, tuple[str, ...]]]):
    """Reads one file: its number, its pixels or ``None``, and notes or why not."""

    def __init__(self, files: Sequence[ImageFile], modality: Images) -> None:
        if modality.channels not in (1, 3):
            raise GanforgeError(
                f"Image files are read as grey or colour, and data.channels={modality.channels}: set it to 1 or 3."
            )
        self.files, self.modality = files, modality

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[int, np.ndarray | None, tuple[str, ...]]:
        from PIL import Image, ImageOps

        size = (self.modality.width, self.modality.height)
        try:
            with self.files[index].open("rb") as handle:
                picture, notes = read_picture(handle, self.modality.channels)
            pixels = np.asarray(ImageOps.fit(picture, size, Image.Resampling.LANCZOS), dtype=np.uint8)
        except (UnreadableImage, OSError, MemoryError) as error:
            return index, None, (first_line(error),)
        return index, pixels[None] if self.modality.channels == 1 else pixels.transpose(2, 0, 1), notes


@dataclass(frozen=True)
class _Index:
    """What a decoded array holds.

    Attributes:
        kept: which files, in the order of the rows.
        checksum: the array's :attr:`~ganforge.data.columns.Column.fingerprint`.
        size: bytes of the array's file.
        modified: nanoseconds, when that was written.
        unreadable: how many files are not in it.
        notes: how many files there is something to say of, by what.
    """

    kept: list[int]
    checksum: str
    size: int
    modified: int
    unreadable: int
    notes: dict[str, int]


def decode(
    files: Sequence[ImageFile],
    labels: Sequence[int] | None,
    modality: Images,
    cache: Path,
    *,
    workers: int = 2,
    max_unreadable: float = 0.01,
    option: str | None = None,
) -> Split:
    """Return ``files`` as a memory-mapped ``(n, channels, height, width)`` column, decoding them the first time.

    Images are read as docs/images.md says, scaled until they cover the size (Lanczos), and the centre is kept. The
    cache's key covers the decoder's version and every file's path, size and modification time (in an archive its
    checksum); the column's fingerprint is that of the pixels, wherever they come from. Unreadable files are left out,
    counted, and listed in ``unreadable.txt``. A damaged cache is filled again.

    Args:
        files: image files.
        labels: their classes, or ``None``.
        modality: size and channels, 1 or 3.
        cache: folder of decoded arrays.
        workers: decoding processes.
        max_unreadable: share of unreadable files above which the set is refused; unless it is 0, one is allowed.
        option: key of the configuration that sets ``max_unreadable``, if there is one.

    Raises:
        GanforgeError: if too many files are unreadable, or the cache cannot be written.
    """
    decoder = _Decoder(files, modality)
    folder = cache / "decoded" / _key(files, modality)
    stored = _stored(folder, aloud=True)
    if stored is None:
        with _written(cache), lock(folder):
            stored = _stored(folder)  # another process may have filled it meanwhile
            if stored is None:
                _fill(decoder, folder, workers)
                stored = _stored(folder)
    if stored is None:
        raise GanforgeError(f"What was just written to '{shown(folder)}' is not what is read there: check the disk.")
    images, index = stored
    _report(index, len(files), folder, max_unreadable, option)
    chosen = None if labels is None else torch.tensor([labels[number] for number in index.kept], dtype=torch.int64)
    return labelled(Column(images, modality, identity=index.checksum), chosen)


def _key(files: Sequence[ImageFile], modality: Images) -> str:
    key = hashlib.blake2b(f"{VERSION} {modality.shape}".encode(), digest_size=12)
    for file in files:
        if isinstance(file, Path):
            key.update(os.fsencode(file.resolve()) + f"|{_stamp(file)}\n".encode())
        else:
            key.update(f"{file.name}|{file.size}|{file.checksum}\n".encode())
    return key.hexdigest()


def _stamp(file: Path) -> str:
    try:
        status = file.stat()
    except OSError:
        return "missing"  # is counted as unreadable
    return f"{status.st_size}|{status.st_mtime_ns}"


def _stored(folder: Path, *, aloud: bool = False) -> tuple[np.ndarray, _Index] | None:
    """Return the decoded array and its index; ``None`` if it was never finished, or is damaged, said if ``aloud``."""
    if not (folder / "kept.json").exists():
        return None
    try:
        return _read(folder)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        if aloud:
            say(f"Decoded images in '{shown(folder)}' are damaged ({first_line(error)}): they are decoded again.")
        return None


def _read(folder: Path) -> tuple[np.ndarray, _Index]:
    """Return the decoded array and its index; ValueError and more if they are not as they were written."""
    document = json.loads((folder / "kept.json").read_text(encoding="utf-8"))
    index = _Index(**document["index"])
    if document["checksum"] != _checksum(index):
        raise ValueError("kept.json is not as it was written")
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    if _is_changed(folder, images, index):
        raise ValueError("images.npy is not as it was written")
    return images, index


def _is_changed(folder: Path, images: np.ndarray, index: _Index) -> bool:
    """Whether the array is another than the one written; see :data:`IN_MEMORY`."""
    status = (folder / "images.npy").stat()
    as_written = (status.st_size, status.st_mtime_ns) == (index.size, index.modified)
    if len(images) != len(index.kept):
        return True
    if as_written and images.nbytes > IN_MEMORY:
        return False
    return _fingerprint(images) != index.checksum


def _fingerprint(images: np.ndarray) -> str:
    return Column(images, Images(images.shape[2:], images.shape[1])).fingerprint


def _checksum(index: _Index) -> str:
    return hashlib.blake2b(json.dumps(asdict(index), sort_keys=True).encode(), digest_size=16).hexdigest()


@contextmanager
def _written(cache: Path) -> Iterator[None]:
    """Say in one sentence that nothing can be written to the cache."""
    try:
        yield
    except OSError as error:
        raise GanforgeError(
            f"Decoded images cannot be kept in '{shown(cache)}' ({error.strerror or error}): make room there, or "
            "choose a folder that can be written with paths.cache=FOLDER or the environment's GANFORGE_CACHE."
        ) from error


def _fill(decoder: _Decoder, folder: Path, workers: int) -> None:
    """Decode everything into ``folder``; ``kept.json`` is written last, as the mark of a whole cache."""
    total = len(decoder)
    free, needed = shutil.disk_usage(folder).free, total * int(np.prod(decoder.modality.shape))
    if free < needed * 1.05:
        raise GanforgeError(
            f"Decoding {total:,} images needs {needed / 1e9:.1f} GB in '{shown(folder.parent)}' and {free / 1e9:.1f} "
            "GB are free: make room, or choose another folder with paths.cache=FOLDER."
        )
    temporary, path = folder / ".images.npy.part", folder / "images.npy"
    unreadable: list[str] = []
    notes: Counter[str] = Counter()
    with temporary.open("wb") as handle:
        kept = _write_pixels(handle, decoder, workers, unreadable, notes)
    (folder / "unreadable.txt").unlink(missing_ok=True)
    if unreadable:  # names as the file system has them, for other programs to read
        (folder / "unreadable.txt").write_bytes(os.fsencode("".join(f"{line}\n" for line in unreadable)))
    if not kept:
        temporary.unlink()
        raise GanforgeError(
            f"None of the {total:,} images can be read (listed in '{shown(folder / 'unreadable.txt')}'; the first: "
            f"{shown(unreadable[0].replace(chr(9), ', '))})."
        )
    temporary.replace(path)
    status = path.stat()
    fingerprint = _fingerprint(np.load(path, mmap_mode="r"))
    index = _Index(kept, fingerprint, status.st_size, status.st_mtime_ns, len(unreadable), dict(notes))
    write_text(folder / "kept.json", json.dumps({"checksum": _checksum(index), "index": asdict(index)}))


def _identity(items: list[Any]) -> Any:
    return items


def _write_pixels(
    handle: BinaryIO, decoder: _Decoder, workers: int, unreadable: list[str], notes: Counter[str]
) -> list[int]:
    """Write the readable images as an ``.npy`` file, never more than a batch in memory; return which they are."""
    loader = DataLoader(
        decoder,
        batch_size=64,
        num_workers=min(workers, len(decoder)),
        collate_fn=_identity,
        generator=torch.Generator(),
    )
    kept: list[int] = []
    _write_header(handle, len(decoder), decoder.modality.shape)
    for items in tqdm(loader, desc="Decoding images", unit="batch", leave=False, disable=len(decoder) < 512):
        for index, pixels, words in items:
            if pixels is None:
                unreadable.append(f"{decoder.files[index]}\t{words[0]}")
                continue
            handle.write(pixels.tobytes())
            kept.append(index)
            notes.update(words)
    handle.seek(0)
    _write_header(handle, len(kept), decoder.modality.shape)
    return kept


def _write_header(handle: BinaryIO, count: int, shape: tuple[int, ...]) -> None:
    """Write a header of one length for any ``count``: NumPy leaves room for the first axis to grow."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(handle, header)


def _report(index: _Index, total: int, folder: Path, max_unreadable: float, option: str | None) -> None:
    """Say what was left out and what was passed over, and refuse a set with too many unreadable files."""
    found = [f"{count:,} {note}" for note, count in index.notes.items()]
    allowed = max(1, int(max_unreadable * total)) if max_unreadable > 0 else 0
    if index.unreadable:
        sentence = (
            f"{index.unreadable:,} of {total:,} images cannot be read (listed in '{shown(folder / 'unreadable.txt')}')"
        )
        if index.unreadable > allowed:
            limit = f"{option}={max_unreadable:g} allows {allowed:,}" if option else f"at most {allowed:,} may be"
            way_out = "repair or remove them, or raise it" if option else "repair or remove them"
            raise GanforgeError(f"{sentence}, and {limit}: {way_out}.")
        found.insert(0, f"{sentence} and are left out")
    if found:
        say(f"Of {total:,} images {'; '.join(found)}.")
