"""Image files decoded once, by worker processes, into one memory-mapped uint8 array."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from ganforge.core.errors import GanforgeError
from ganforge.core.files import lock, write_text
from ganforge.data.columns import Column, Split, labelled
from ganforge.data.modality import Images

__all__ = ["decode"]


class _Decoder(Dataset[tuple[int, np.ndarray | None, str]]):
    """Reads one file: its number, its pixels or ``None``, and why not."""

    def __init__(self, files: Sequence[Path], modality: Images) -> None:
        if modality.channels not in (1, 3):
            raise GanforgeError(
                f"Image files are read as grey or colour, and data.channels={modality.channels}: set it to 1 or 3."
            )
        self.files, self.modality = files, modality

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[int, np.ndarray | None, str]:
        from PIL import Image, ImageOps

        try:
            with Image.open(self.files[index]) as image:
                picture = _eight_bit(image).convert("L" if self.modality.channels == 1 else "RGB")
                size = (self.modality.width, self.modality.height)
                picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
                pixels = np.asarray(picture, dtype=np.uint8)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return index, None, f"{type(error).__name__}: {error}"
        return index, pixels[None] if self.modality.channels == 1 else pixels.transpose(2, 0, 1), ""


def _eight_bit(image: Any) -> Any:
    """Scale 16-bit grey to 8 bits (Pillow would clip it), and lay transparency over white."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, dtype=np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image


def _identity(items: list[Any]) -> Any:
    return items


def decode(
    files: Sequence[Path],
    labels: Sequence[int] | None,
    modality: Images,
    cache: Path,
    *,
    workers: int = 2,
    max_unreadable: float = 0.01,
) -> Split:
    """Return ``files`` as a memory-mapped ``(n, channels, height, width)`` column, decoding them the first time.

    Images are scaled until they cover the size (Lanczos), and the centre is kept. The cache's key covers every file's
    path, size and modification time. Unreadable files are left out, counted, and listed in ``unreadable.txt``.

    Args:
        files: image files.
        labels: their classes, or ``None``.
        modality: size and channels, 1 or 3.
        cache: folder of decoded arrays.
        workers: decoding processes.
        max_unreadable: share of unreadable files above which the set is refused.

    Raises:
        GanforgeError: if too many files are unreadable, or the disk is full.
    """
    size = f"{modality.height}x{modality.width}" if modality.height != modality.width else modality.height
    key = hashlib.blake2b(f"{size} {modality.channels} {max_unreadable}".encode(), digest_size=12)
    for number, file in enumerate(files):
        stat = file.stat()
        label = "" if labels is None else labels[number]
        key.update(f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{label}\n".encode())
    folder = cache / "decoded" / key.hexdigest()
    with lock(folder):
        if not (folder / "kept.json").exists():
            _fill(files, folder, _Decoder(files, modality), workers, max_unreadable)
    kept = json.loads((folder / "kept.json").read_text())
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    chosen = None if labels is None else torch.tensor([labels[number] for number in kept], dtype=torch.int64)
    return labelled(Column(images[: len(kept)], modality, identity=key.hexdigest()), chosen)


def _fill(files: Sequence[Path], folder: Path, decoder: _Decoder, workers: int, max_unreadable: float) -> None:
    """Decode everything into ``folder``; ``kept.json`` is written last, as the mark of a whole cache."""
    shape = (len(files), *decoder.modality.shape)
    free, needed = shutil.disk_usage(folder).free, int(np.prod(shape))
    if free < needed * 1.05:
        raise GanforgeError(
            f"Decoding {len(files):,} images needs {needed / 1e9:.1f} GB in '{folder.parent}' and {free / 1e9:.1f} "
            f"GB are free: "
            "make room, or choose another folder with paths.cache=FOLDER."
        )
    array = np.lib.format.open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    loader = DataLoader(
        decoder,
        batch_size=64,
        num_workers=min(workers, len(files)),
        collate_fn=_identity,
        generator=torch.Generator(),
    )
    kept: list[int] = []
    unreadable: list[str] = []
    for items in tqdm(loader, desc="Decoding images", unit="batch", leave=False, disable=len(files) < 512):
        for index, pixels, reason in items:
            if pixels is None:
                unreadable.append(f"{files[index]}\t{reason}")
            else:
                array[len(kept)] = pixels
                kept.append(index)
    array.flush()
    _report(unreadable, len(files), folder, max_unreadable)
    write_text(folder / "kept.json", json.dumps(kept))


def _report(unreadable: list[str], total: int, folder: Path, max_unreadable: float) -> None:
    """List unreadable files, and refuse a set with too many of them."""
    if not unreadable:
        return
    listing = folder / "unreadable.txt"
    listing.write_text("\n".join(unreadable) + "\n")
    told = f"{len(unreadable):,} of {total:,} images cannot be read (listed in '{listing}')"
    if len(unreadable) > max_unreadable * total:
        raise GanforgeError(
            f"{told}, more than data.source.max_unreadable={max_unreadable:g} allows: repair or remove them, or "
            f"raise it."
        )
    from ganforge.core.console import say

    say(f"{told}; training goes on without them.")
