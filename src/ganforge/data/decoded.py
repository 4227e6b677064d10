"""Image files decoded once, by worker processes, into one memory-mapped uint8 array that is checked when read."""

import hashlib
import math
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import lock, removed_on_failure, shown
from ganforge.data.columns import Column, Split, labelled
from ganforge.data.decoded_cache import ARRAY, UNREADABLE, Index, finish, reserve, stored, write_header, writing
from ganforge.data.decoder import VERSION, UnreadableImage, read_picture
from ganforge.data.listing import ImageFile
from ganforge.data.modality import Images

__all__ = ["Half", "decode"]

#: Half of a picture.
Half = Literal["left", "right"]

_BATCH = 64  # files that a worker decodes at a time; so many are decoded sooner than workers start


#: A file's number, its pixels or ``None``, and notes or why not.
_Decoded = tuple[int, np.ndarray | None, tuple[str, ...]]


class _Decoder(Dataset[_Decoded]):
    """Reads one file."""

    def __init__(self, files: Sequence[ImageFile], modality: Images, half: Half | None) -> None:
        if modality.channels not in (1, 3):
            raise GanforgeError(
                f"Image files are read as grey or colour, and data.channels={modality.channels}: set it to 1 or 3."
            )
        self.files, self.modality, self.half = files, modality, half

    @property
    def image_bytes(self) -> int:
        """Size of a decoded image."""
        return math.prod(self.modality.shape)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> _Decoded:
        from PIL import Image, ImageOps

        size = (self.modality.width, self.modality.height)
        try:
            with self.files[index].open("rb") as handle:
                picture, notes = read_picture(handle, self.modality.channels)
            if self.half is not None:
                middle = picture.width // 2
                left = 0 if self.half == "left" else middle
                picture = picture.crop((left, 0, left + middle, picture.height))
            pixels = np.asarray(ImageOps.fit(picture, size, Image.Resampling.LANCZOS), dtype=np.uint8)
        except (UnreadableImage, OSError, MemoryError) as error:
            return index, None, (first_line(error),)
        return index, pixels[None] if self.modality.channels == 1 else pixels.transpose(2, 0, 1), notes


def decode(
    files: Sequence[ImageFile],
    labels: Sequence[int] | None,
    modality: Images,
    cache: Path,
    *,
    half: Half | None = None,
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
        half: of files that show the two sides of a pair, the one to take.
        workers: decoding processes.
        max_unreadable: share of unreadable files above which the set is refused; unless it is 0, one is allowed.
        option: key of the configuration that sets ``max_unreadable``, if there is one.

    Raises:
        GanforgeError: if too many files are unreadable, or the cache cannot be written.
    """
    decoder = _Decoder(files, modality, half)
    folder = cache / "decoded" / _key(files, modality, half)
    found = stored(folder, aloud=True)
    if found is None:
        with writing(cache), lock(folder):
            found = stored(folder)  # another process may have filled it meanwhile
            if found is None:
                _fill(decoder, folder, workers)
                found = stored(folder)
    if found is None:
        raise GanforgeError(f"What was just written to '{shown(folder)}' is not what is read there: check the disk.")
    images, index = found
    _report(index, len(files), folder, max_unreadable, option)
    chosen = None if labels is None else torch.tensor([labels[number] for number in index.kept], dtype=torch.int64)
    return labelled(Column(images, modality, identity=index.checksum), chosen)


def _key(files: Sequence[ImageFile], modality: Images, half: Half | None) -> str:
    key = hashlib.blake2b(f"{VERSION} {modality.shape}{half or ''}".encode(), digest_size=12)
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


def _fill(decoder: _Decoder, folder: Path, workers: int) -> None:
    """Decode everything into ``folder``; ``kept.json`` is written last, as the mark of a whole cache."""
    total = len(decoder)
    free, needed = shutil.disk_usage(folder).free, total * decoder.image_bytes
    if free < needed * 1.05:
        raise GanforgeError(
            f"Decoding {total:,} images needs {needed / 1e9:.1f} GB in '{shown(folder.parent)}' and {free / 1e9:.1f} "
            "GB are free: make room, or choose another folder with paths.cache=FOLDER."
        )
    temporary, path = folder / f".{ARRAY}.part", folder / ARRAY
    unreadable: list[str] = []
    notes: Counter[str] = Counter()
    with removed_on_failure(temporary), temporary.open("wb") as handle:
        reserve(handle, needed)
        kept = _write_pixels(handle, decoder, workers, unreadable, notes)
        handle.truncate(handle.tell() + len(kept) * decoder.image_bytes)
    (folder / UNREADABLE).unlink(missing_ok=True)
    if unreadable:  # names as the file system has them, for other programs to read
        (folder / UNREADABLE).write_bytes(os.fsencode("".join(f"{line}\n" for line in unreadable)))
    if not kept:
        temporary.unlink()
        raise GanforgeError(
            f"None of the {total:,} images can be read (listed in '{shown(folder / UNREADABLE)}'; the first: "
            f"{shown(unreadable[0].replace(chr(9), ', '))})."
        )
    temporary.replace(path)
    finish(folder, kept, len(unreadable), dict(notes))


def _identity(items: list[_Decoded]) -> list[_Decoded]:
    return items


def _write_pixels(
    handle: BinaryIO, decoder: _Decoder, workers: int, unreadable: list[str], notes: Counter[str]
) -> list[int]:
    """Write the readable images as an ``.npy`` file, never more than a batch in memory; return which they are."""
    loader = DataLoader(
        decoder,
        batch_size=_BATCH,
        num_workers=0 if len(decoder) <= _BATCH else workers,
        collate_fn=_identity,
        generator=torch.Generator(),
    )
    kept: list[int] = []
    write_header(handle, len(decoder), decoder.modality.shape)
    for items in tqdm(loader, desc="Decoding images", unit="batch", leave=False, disable=len(decoder) < 512):
        for index, pixels, words in items:
            if pixels is None:
                unreadable.append(f"{decoder.files[index]}\t{words[0]}")
                continue
            handle.write(pixels.tobytes())
            kept.append(index)
            notes.update(words)
    handle.seek(0)
    write_header(handle, len(kept), decoder.modality.shape)
    return kept


def _report(index: Index, total: int, folder: Path, max_unreadable: float, option: str | None) -> None:
    """Say what was left out and what was passed over, and refuse a set with too many unreadable files."""
    found = [f"{count:,} {note}" for note, count in index.notes.items()]
    if index.unreadable:
        allowed = max(1, int(max_unreadable * total)) if max_unreadable > 0 else 0
        listed = f"(listed in '{shown(folder / UNREADABLE)}')"
        if index.unreadable > allowed:
            limit = f"{option}={max_unreadable:g} allows {allowed:,}" if option else f"at most {allowed:,} may be"
            raise GanforgeError(
                f"{index.unreadable:,} of {total:,} images cannot be read {listed}, and {limit}: repair or remove "
                f"them{', or raise it' if option else ''}."
            )
        found.insert(0, f"{index.unreadable:,} unreadable and left out {listed}")
    if found:
        say(f"{total:,} images: {'; '.join(found)}.")
