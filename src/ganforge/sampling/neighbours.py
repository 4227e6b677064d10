"""Generated images beside the training images nearest to them: a check for memorisation."""

from collections.abc import Callable

import torch
from torch import Tensor
from tqdm import tqdm

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column
from ganforge.data.images import grid as lay_out
from ganforge.sampling.checks import one_of, whole
from ganforge.sampling.results import Picture
from ganforge.sampling.seeded import SeededSampler

__all__ = ["nearest", "neighbours"]

#: Maps ``(n, c, h, w)`` uint8 images to ``(n, d)`` float32 on the sampler's device.
Embed = Callable[[Tensor], Tensor]


def nearest(queries: Tensor, array: Column, embed: Embed, count: int, batch_size: int = 500) -> Tensor:
    """Return which images of ``array`` are nearest to each query, the nearest first, ``(n, count)`` int64.

    Euclidean distance; a part of ``array`` at a time is in memory. Of images equally near, the first counts.

    Args:
        queries: ``(n, c, h, w)`` uint8 images.
        array: the images to search.
        embed: the space in which distances are taken.
        count: neighbours of each query, at most ``len(array)``.
        batch_size: images of ``array`` at a time.
    """
    points = embed(queries)
    best = torch.full((len(queries), count), torch.inf, device=points.device)
    which = torch.zeros(len(queries), count, dtype=torch.int64, device=points.device)
    parts = torch.arange(len(array)).split(batch_size)
    for part in tqdm(parts, "training images", leave=False, disable=None):
        near = torch.cdist(points, embed(array[part]), compute_mode="donot_use_mm_for_euclid_dist")
        numbers = part.to(points.device).expand(len(queries), -1)
        best, order = torch.cat([best, near], 1).sort(dim=1, stable=True)
        best = best[:, :count]
        which = torch.cat([which, numbers], 1).gather(1, order[:, :count])
    return which.cpu()


def neighbours(sampler: SeededSampler, n: Count = 8, count: Count = 4, space: str | None = None) -> Picture:
    """Draw a row an image: the generated one, then the nearest training images, as they are in the dataset.

    Mirrored training images are not searched, though ``data.horizontal_flip`` trains on them.

    Args:
        sampler: what to draw from.
        n: generated images, the rows.
        count: neighbours of each, in each space.
        space: ``pixels``, ``features`` (of the network that the run's metrics use), or ``both`` side by side;
            ``None``: both where the run has metrics, else pixels.

    Raises:
        GanforgeError: for features where the run has no metrics or their weights are missing, or impossible values.
    """
    sampler.require_images("mode=neighbours")
    spaces = {"pixels": _pixels, "features": _features(sampler)}
    if space is not None:
        one_of("mode.space", space, (*spaces, "both"))
    if space in ("features", "both") and spaces["features"] is None:
        raise GanforgeError(
            f"mode.space={space} needs the network of the run's metrics, and the run was trained with protocol=[]: "
            "use mode.space=pixels."
        )
    chosen = [space] if space in spaces else [name for name, embed in spaces.items() if embed is not None]
    generated = sampler.draw(*sampler.inputs(whole("n", n)))
    train = sampler.origin.train()
    whole("mode.count", count, 1, len(train))
    columns = [generated[:, None]]
    for name in chosen:
        make = spaces[str(name)]
        assert make is not None
        found = nearest(generated, train, make(sampler), count)
        blank = torch.full_like(generated[:, None], 255)
        columns += [blank, train[found.flatten()].unflatten(0, (n, count))]
    rows = torch.cat(columns, 1)
    note = f"Left: generated; then the {count} nearest of {len(train):,} training images by {' and by '.join(chosen)}."
    return Picture(lay_out(rows.flatten(0, 1), rows.shape[1]), note)


def _pixels(sampler: SeededSampler) -> Embed:
    return lambda images: images.to(sampler.device).flatten(1).float()


def _features(sampler: SeededSampler) -> Callable[[SeededSampler], Embed] | None:
    """Return what loads the metrics' network, or ``None`` where the run has no metrics."""
    network_of = sampler.origin.features
    if network_of is None:
        return None

    def load(sampler: SeededSampler) -> Embed:
        network = network_of().to(sampler.device)
        return lambda images: network(images.to(sampler.device)).features

    return load
