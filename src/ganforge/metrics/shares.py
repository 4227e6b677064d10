"""Gathering over ranks: each rank draws and extracts its share, and gets all samples' features in their order."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganforge.core.distributed import gather_rows
from ganforge.core.errors import GanforgeError
from ganforge.metrics.extractors import Features

__all__ = ["Gathered", "Share", "gather", "refuse_infinite"]


@dataclass(frozen=True)
class Share:
    """One rank's part of a batch."""

    features: dict[str, Features]  # by the extractor's key
    labels: Tensor | None
    samples: Tensor | None
    beside: dict[str, Tensor]  # images that go with the samples, by name


@dataclass(frozen=True)
class Gathered:
    """All ranks' samples and features, in the order of their numbers."""

    features: dict[str, Features]
    labels: Tensor | None
    samples: Tensor | None
    beside: dict[str, Tensor]


def refuse_infinite(finite: bool, device: torch.device) -> None:
    """Raise on every rank if samples of any rank are not finite.

    Raises:
        GanforgeError: if so.
    """
    if not torch.cat(gather_rows(torch.tensor([[finite]], device=device))).all():
        raise GanforgeError(
            "Generated samples are not finite: the generator has diverged; go on from the last checkpoint with a "
            "lower learning rate."
        )


def gather(mine: list[Share], keys: list[str], size: int) -> Gathered:
    """Put all ranks' rows in the order of their numbers; called on all ranks.

    Args:
        mine: this rank's batches.
        keys: of the extractors.
        size: samples in a batch.
    """

    def whole(rows: list[Tensor]) -> Tensor:
        queues = [list(share.split(size)) for share in gather_rows(torch.cat(rows))]
        batches = sum(len(queue) for queue in queues if len(queue[0]))
        return torch.cat([queues[number % len(queues)].pop(0) for number in range(batches)])

    features = {
        key: Features(*(whole(list(field)) for field in zip(*(share.features[key] for share in mine), strict=True)))
        for key in keys
    }
    labels = [share.labels for share in mine if share.labels is not None]
    samples = [share.samples for share in mine if share.samples is not None]
    beside = {name: whole([share.beside[name] for share in mine]) for name in mine[0].beside}
    return Gathered(features, whole(labels) if labels else None, whole(samples) if samples else None, beside)
