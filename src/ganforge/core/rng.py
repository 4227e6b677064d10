"""Random number generators: seeds by purpose, and states that a checkpoint can hold."""

import hashlib
import random
from typing import TypedDict

import numpy as np
import torch

__all__ = ["RandomState", "get_state", "seed_all", "set_state", "sub_seed", "torch_generator"]


def sub_seed(*parts: int | str) -> int:
    """Mix seed, purpose and position into a 63-bit seed; neighbours give unrelated streams."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def torch_generator(*parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator seeded with :func:`sub_seed`."""
    return torch.Generator(device=device).manual_seed(sub_seed(*parts))


def seed_all(*parts: int | str) -> None:
    """Seed Python, NumPy and torch (all devices)."""
    seed = sub_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class RandomState(TypedDict):
    """The states of a process's generators, as plain containers."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy: tuple[str, list[int], int, int, float]
    torch: torch.Tensor
    cuda: torch.Tensor | None


def get_state() -> RandomState:
    """Return the states of Python's, NumPy's, torch's and the current CUDA device's generators as plain containers."""
    state = np.random.get_state(legacy=True)
    assert isinstance(state, tuple)
    name, keys, position, has_gauss, gauss = state
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def set_state(state: RandomState) -> None:
    """Restore what :func:`get_state` gave; CUDA's only where there is a device."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
