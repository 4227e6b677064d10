"""Many images to a folder, a zip archive or a NumPy archive, one batch in memory at a time."""

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from torch import Tensor
from tqdm import tqdm

from ganforge.core.annotations import Count, Whole
from ganforge.sampling.checks import one_of, whole
from ganforge.sampling.marks import png_mark
from ganforge.sampling.results import Result
from ganforge.sampling.seeded import SeededSampler

__all__ = ["Images", "images"]

_SUFFIXES = {"folder": "", "zip": ".zip", "npz": ".npz"}


class Images(Result):
    """Samples that are drawn while they are written.

    Args:
        sampler: what to draw from.
        n: how many.
        suffix: empty for a folder, ``.zip`` or ``.npz``.
        label: only this class.
    """

    def __init__(self, sampler: SeededSampler, n: Count, suffix: str, label: Whole | None) -> None:
        self.sampler, self.n, self.suffix, self.label = sampler, n, suffix, label
        self._labels = sampler.labels(n, label=label)
        self._beside = "labels" if self._labels is None or self._labels.ndim == 1 else "conditions"
        self.note = f"{n:,} {sampler.modality.name}, {'no' if self._labels is None else 'with'} {self._beside}."
        first = sampler.draw(*sampler.inputs(1))  # what cannot be drawn is refused before writing
        self._first = self._laid_out(first)
        self._key = "images" if sampler.modality.name == "images" else "samples"

    def _draw(self, start: int, count: int) -> "np.ndarray":
        """Return stored samples; images are ``(count, h, w, c)`` uint8."""
        return self._laid_out(self.sampler.draw(*self.sampler.inputs(count, start, self.label)))

    def _laid_out(self, stored: Tensor) -> "np.ndarray":
        """Return an array, the channels of images last."""
        if self.sampler.modality.name == "images":
            stored = stored.permute(0, 2, 3, 1)
        return stored.contiguous().numpy()

    def _batches(self) -> Iterator["np.ndarray"]:
        size = self.sampler.batch_size
        for start in tqdm(range(0, self.n, size), "batches", leave=False, disable=None):
            yield self._draw(start, min(size, self.n - start))

    def _files(self) -> Iterator[tuple[str, bytes]]:
        """Yield file names and contents: PNGs, then ``labels.csv`` where labels are integers."""
        digits, number = max(6, len(str(self.n - 1))), 0
        for batch in self._batches():
            for pixels in batch:
                yield f"{number:0{digits}d}.png", png_bytes(pixels)
                number += 1
        if self._labels is not None and self._labels.ndim == 1:
            table = io.StringIO()
            rows = ((f"{k:0{digits}d}.png", label) for k, label in enumerate(self._labels.tolist()))
            csv.writer(table, lineterminator="\n").writerows([("file", "label"), *rows])
            yield "labels.csv", table.getvalue().encode()

    def _write(self, path: Path) -> None:
        if self.suffix == "":
            path.mkdir()
            for name, content in self._files():
                (path / name).write_bytes(content)
            return
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            if self.suffix == ".zip":
                for name, content in self._files():
                    archive.writestr(zipfile.ZipInfo(name), content)
                return
            with _member(archive, f"{self._key}.npy") as member:
                _header(member, (self.n, *self._first.shape[1:]), self._first.dtype.str)
                for batch in self._batches():
                    member.write(batch.tobytes())
            if self._labels is not None:
                with _member(archive, f"{self._beside}.npy") as member:
                    np.lib.format.write_array(member, self._labels.numpy(), allow_pickle=False)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Open a member without a date, so that equal images make equal archives, for any size."""
    return archive.open(zipfile.ZipInfo(name), "w", force_zip64=True)


def _header(member: IO[bytes], shape: tuple[int, ...], kind: str) -> None:
    np.lib.format.write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": shape})


def png_bytes(pixels: "np.ndarray") -> bytes:
    """Encode ``(h, w, c)`` uint8, one channel as grey."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, format="png", pnginfo=png_mark())
    return buffer.getvalue()


def images(sampler: SeededSampler, n: Count = 1000, format: str = "folder", label: Whole | None = None) -> Images:  # noqa: A002
    """Return images 0 to ``n`` of the sampler's seed, to be saved; classes take turns.

    A folder and a zip archive hold PNGs named by number and, for a run conditioned on labels, ``labels.csv``. A NumPy
    archive holds ``images``, ``(n, h, w, c)`` uint8 (samples of another kind as ``samples``), and ``labels``, or
    ``conditions`` of another kind.

    Args:
        sampler: what to draw from.
        n: how many.
        format: ``folder``, ``zip`` or ``npz``.
        label: only this class.

    Raises:
        GanforgeError: for impossible values, or a run that draws no images.
    """
    one_of("mode.format", format, tuple(_SUFFIXES))
    if format != "npz":
        sampler.require_images(f"mode.format={format}")
    return Images(sampler, whole("n", n), _SUFFIXES[format], label)
