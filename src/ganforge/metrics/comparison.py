"""The input of a metric: generated and real samples through one extractor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from ganforge.data.modality import Modality
from ganforge.metrics.directions import Better
from ganforge.metrics.extractors import Features
from ganforge.metrics.moments import Moments

__all__ = ["Comparison", "Metric", "PathPairs", "Place", "Space"]

#: Latents, or the styles of a generator that maps them.
Space = Literal["z", "w"]
#: Anywhere on a path, or at its first end.
Place = Literal["full", "end"]


class PathPairs(Protocol):
    """Draws samples at both ends of small steps on paths between latents."""

    def __call__(
        self, n: int, epsilon: float, generator: torch.Generator, *, space: Space = "z", at: Place = "full"
    ) -> tuple[Tensor, Tensor]:
        """Return two ``(n, c, h, w)`` batches in [-1, 1], generated at ``t`` and ``t + epsilon`` of ``n`` paths.

        Raises:
            GanforgeError: for ``space="w"`` of a generator without styles.
        """


@dataclass(frozen=True)
class Comparison:
    """Generated images beside real ones. All ranks hold the same one; tensors lie on one device.

    Fields that a metric does not name in its ``needs`` may be ``None``.

    Attributes:
        fake_features: ``(n, d)`` float32.
        fake_logits: ``(n, classes)`` float32 of the extractor.
        seed: the protocol's; randomness comes from ``rng.torch_generator(seed, purpose)``.
        extract: maps stored samples (``(n, c, h, w)`` uint8 images) to :class:`Features`.
        modality: what the samples are.
        fake_images: ``(m, c, h, w)`` uint8, the first ``m`` of the generated ones, on the CPU.
        fake_labels: ``(n,)`` int64 classes that the images were generated for.
        real_moments: of the protocol's real images.
        real_features: ``(r, d)`` of the protocol's real images.
        real_logits: ``(r, classes)``.
        real_images: ``(r, c, h, w)`` uint8, on the CPU.
        real_labels: ``(r,)``.
        train_features: of the training samples, whatever the protocol's split.
        heldout_features: of the held-out samples.
        train_images, heldout_images: the same as uint8 images, on the CPU.
        train_labels, heldout_labels: their classes.
        target_images: ``(m, c, h, w)`` uint8, what each of ``fake_images`` should be, on the CPU; where the held-out
            split is paired, and samples are of its rows.
        source_images: what each of ``fake_images`` was translated from.
        cycle_images: what each of ``fake_images`` becomes when it is translated back.
        path_pairs: see :class:`PathPairs`.
    """

    fake_features: Tensor
    fake_logits: Tensor
    seed: int
    extract: Callable[[Tensor], Features]
    modality: Modality
    fake_images: Tensor | None = None
    fake_labels: Tensor | None = None
    real_moments: Moments | None = None
    real_features: Tensor | None = None
    real_logits: Tensor | None = None
    real_images: Tensor | None = None
    real_labels: Tensor | None = None
    train_features: Tensor | None = None
    heldout_features: Tensor | None = None
    train_images: Tensor | None = None
    heldout_images: Tensor | None = None
    train_labels: Tensor | None = None
    heldout_labels: Tensor | None = None
    target_images: Tensor | None = None
    source_images: Tensor | None = None
    cycle_images: Tensor | None = None
    path_pairs: PathPairs | None = None


class Metric(Protocol):
    """One published measure: a frozen dataclass of its parameters, which are part of the protocol's hash."""

    @property
    def needs(self) -> frozenset[str]:
        """The fields of :class:`Comparison` that must not be ``None``."""

    @property
    def better(self) -> Better:
        """Which way each of its values is better, by name or pattern (``swd_*``); ``None``: neither way by itself.

        Values that it does not name come beside another one: its spread, an end of its interval, whose it is.
        """

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """Return values by name, such as ``{"fid": 12.3}``; plain floats."""
