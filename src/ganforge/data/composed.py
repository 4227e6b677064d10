"""Pictures that a dataset composes itself: made once, kept in the cache, checked when read."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError
from ganforge.core.files import lock, shown
from ganforge.data.columns import Column
from ganforge.data.decoded_cache import ARRAY, IN_MEMORY, finish, stored, write_header, writing
from ganforge.data.modality import Modality

__all__ = ["composed"]


def composed(
    cache: Path,
    key: str,
    count: int,
    modality: Modality,
    shape: tuple[int, ...],
    make: Callable[[], Iterable[np.ndarray]],
) -> Column:
    """Return a column of ``count`` pictures, made the first time and read from the cache afterwards.

    Args:
        cache: folder of decoded arrays.
        key: all that the pictures depend on; another key is another array.
        count: how many there are.
        modality: what they are.
        shape: of one stored picture.
        make: yields uint8 parts ``(n, *shape)`` in order, ``count`` rows together.

    Raises:
        GanforgeError: if the cache cannot be written.
    """
    name = hashlib.blake2b(f"{key} {count} {shape}".encode(), digest_size=12).hexdigest()
    folder = cache / "composed" / name
    found = stored(folder, aloud=True)
    if found is None:
        with writing(cache), lock(folder):
            found = stored(folder)  # another process may have filled it meanwhile
            if found is None:
                say(f"{count:,} pictures are composed, once, into '{shown(folder)}'.")
                _fill(folder, count, shape, make)
                found = stored(folder)
    if found is None:
        raise GanforgeError(f"What was just written to '{shown(folder)}' is not what is read there: check the disk.")
    pixels, index = found
    held = torch.from_numpy(np.array(pixels)) if pixels.nbytes <= IN_MEMORY else pixels
    return Column(held, modality, identity=index.checksum)


def _fill(folder: Path, count: int, shape: tuple[int, ...], make: Callable[[], Iterable[np.ndarray]]) -> None:
    temporary = folder / f".{ARRAY}.part"
    with temporary.open("wb") as handle:
        write_header(handle, count, shape)
        for part in make():
            handle.write(np.ascontiguousarray(part).tobytes())
    temporary.replace(folder / ARRAY)
    finish(folder, list(range(count)), 0, {})
