"""Files of real samples' statistics, and whether they are as they were written."""

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from ganforge.core.console import say
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.files import shown

__all__ = ["finite", "read", "warn_not_kept", "write"]

_log = logging.getLogger("ganforge")
_CHECKSUM = "checksum"


def finite(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what was computed, which must not be kept unless it is finite."""
    if all(value.isfinite().all() for value in tensors.values()):
        return tensors
    raise GanforgeError(
        "The real images' features are not finite: the extractor's weights must be damaged; fetch them again."
    )


def read(path: Path, *, aloud: bool = False) -> dict[str, Tensor] | None:
    """Return stored tensors; ``None`` if there are none, or others than were written, which is said if ``aloud``."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no dictionary
            metadata = stored.metadata() or {}
        if metadata.get(_CHECKSUM) == _checksum(path, tensors):
            return tensors
        reason = "not as they were written"
    except (SafetensorError, OSError, ValueError) as error:
        reason = first_line(error)
    if aloud:
        say(f"Real images' statistics in '{shown(path)}' are damaged ({reason}): they are computed anew.")
    return None


def _checksum(path: Path, tensors: dict[str, Tensor]) -> str:
    """Return a hash of the tensors and of where they belong, so that no file stands for another one either."""
    digest = hashlib.blake2b(f"{path.parent.name}/{path.name}".encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write(path: Path, tensors: dict[str, Tensor]) -> None:
    """Store tensors; a full or read-only disk costs the next run time, not this one its values."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    temporary = path.with_suffix(".part")
    try:
        metadata = {_CHECKSUM: _checksum(path, tensors)}
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, metadata)
        temporary.replace(path)
    except (SafetensorError, OSError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        warn_not_kept(path, error)


def warn_not_kept(path: Path, error: Exception) -> None:
    """Warn that statistics have no place to stay, which costs every run the time to compute them."""
    _log.warning(
        "Real images' statistics could not be kept in '%s' (%s): they are computed anew; name another folder with "
        "paths.cache=FOLDER or the environment's GANFORGE_CACHE.",
        shown(path.parent),
        getattr(error, "strerror", None) or first_line(error),
    )
