"""Sliced Wasserstein distances: of features, and of patches at each level of a Laplacian pyramid."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import exact, features, field

__all__ = ["PyramidWasserstein", "SlicedWasserstein", "laplacian_pyramid", "sliced_wasserstein"]

#: Projected values held at once.
BLOCK = 1 << 25
#: Side of a patch and of the smallest level, in pixels.
PATCH, SMALLEST = 7, 16


def sliced_wasserstein(
    first: Tensor, second: Tensor, projections: int, order: int, generator: torch.Generator
) -> float:
    """Return the sliced Wasserstein distance of two sets of as many ``(n, d)`` rows (Rabin et al. 2011).

    Args:
        first: one set.
        second: the other one.
        projections: number of random directions, uniform on the sphere.
        order: ``p`` of ``(mean |difference of sorted projections|^p)^(1/p)``.
        generator: of the directions, on the CPU.
    """
    directions = F.normalize(torch.randn(projections, first.shape[1], generator=generator))
    total = 0.0
    for part in directions.to(first).split(max(1, BLOCK // len(first))):
        difference = (first @ part.T).sort(0).values - (second @ part.T).sort(0).values
        total += float(exact(difference.abs().pow(order).mean(0)).sum())
    return float((total / projections) ** (1 / order))


def _draw(values: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` rows drawn without replacement; all of them, in order, if there are no more."""
    if len(values) == count:
        return values
    return values[torch.randperm(len(values), generator=generator)[:count].to(values.device)]


@dataclass(frozen=True)
class SlicedWasserstein:
    """Sliced Wasserstein distance between real and generated features: ``swd_features``.

    Of the larger set as many rows as the smaller one has are drawn.

    Attributes:
        projections: number of random directions.
        order: 1 for the mean distance, 2 for the root of the mean squared one.
    """

    projections: Count = 512
    order: Count = 2
    needs: ClassVar[frozenset[str]] = frozenset({"real_features"})
    better: ClassVar[Better] = {"swd_features": "less"}

    def __post_init__(self) -> None:
        if self.projections < 1 or self.order < 1:
            raise GanforgeError("SlicedWasserstein: projections and order must be at least 1.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        generator = torch_generator(comparison.seed, "sliced-wasserstein")
        sets = features(comparison), features(comparison, "real_features")
        count = min(map(len, sets))
        first, second = (_draw(rows, count, generator) for rows in sets)
        return {"swd_features": sliced_wasserstein(first, second, self.projections, self.order, generator)}


def _blur(images: Tensor, gain: float = 1.0) -> Tensor:
    """Filter by the 5 x 5 binomial kernel with mirrored borders."""
    line = images.new_tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = (torch.outer(line, line) * gain).expand(images.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=images.shape[1])


def laplacian_pyramid(images: Tensor) -> Iterator[Tensor]:
    """Yield ``(n, c, h, w)`` float levels (Burt & Adelson 1983) from the full size down to 16 pixels or a little more.

    Each but the last is what is lost by halving; the last is the blurred image.
    """
    while min(images.shape[-2:]) // 2 >= SMALLEST:
        halved = _blur(images)[..., ::2, ::2]
        spread = images.new_zeros(*images.shape[:2], 2 * halved.shape[-2], 2 * halved.shape[-1])
        spread[..., ::2, ::2] = halved
        yield images - _blur(spread, gain=4)[..., : images.shape[-2], : images.shape[-1]]
        images = halved
    yield images


def _patches(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Cut ``count`` random 7 x 7 patches from each image: ``(n * count, c, 7, 7)``."""
    number, channels, height, width = images.shape
    top = torch.randint(height - PATCH + 1, (number, count), generator=generator)
    left = torch.randint(width - PATCH + 1, (number, count), generator=generator)
    windows = images.unfold(2, PATCH, 1).unfold(3, PATCH, 1).permute(0, 2, 3, 1, 4, 5)
    image = torch.arange(number)[:, None].expand_as(top)
    return windows[image, top, left].reshape(-1, channels, PATCH, PATCH)


def _descriptors(images: Tensor, count: int, device: torch.device, generator: torch.Generator) -> list[Tensor]:
    """Return ``(n * count, c * 49)`` patches of each level, each channel with mean 0 and standard deviation 1."""
    parts: list[list[Tensor]] = []
    for batch in images.split(256):
        levels = laplacian_pyramid(batch.to(device).float())
        parts.append([_patches(level, count, generator) for level in levels])
    result = []
    for level in zip(*parts, strict=True):
        patches = torch.cat(level)
        deviation, mean = torch.std_mean(patches, (0, 2, 3), correction=0, keepdim=True)
        result.append(patches.sub_(mean).div_(deviation.clamp(min=1e-8)).flatten(1))
    return result


@dataclass(frozen=True)
class PyramidWasserstein:
    """ProGAN's sliced Wasserstein distance of Laplacian-pyramid patches (Karras et al. 2018, section 5), times 1,000.

    ``swd_16``, ``swd_32``, ... by the level's height in pixels, and ``swd``, their mean. As in the paper 128 patches of
    7 x 7 pixels are cut from each image and level, and each channel normalised within its set; the distance is of order
    1. Descriptors take ``images * patches * 49 * channels * 4`` bytes, times two sets and 4/3 for the levels: 10 GB at
    the paper's 16,384 colour images, which is why there are fewer by default.

    Attributes:
        images: at most so many of each kind, the first generated ones and as many real ones drawn at random.
        patches: of each image and level.
        projections: random directions; the paper's 512 are its code's 4 repeats of 128.
    """

    images: Count = 4096
    patches: Count = 128
    projections: Count = 512
    needs: ClassVar[frozenset[str]] = frozenset({"fake_images", "real_images"})
    better: ClassVar[Better] = {"swd": "less", "swd_*": "less"}

    def __post_init__(self) -> None:
        if min(self.images, self.patches, self.projections) < 1:
            raise GanforgeError("PyramidWasserstein: images, patches and projections must be at least 1.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        fake, real = field(comparison, "fake_images"), field(comparison, "real_images")
        if min(fake.shape[-2:]) < PATCH:
            raise GanforgeError(f"PyramidWasserstein needs images of at least {PATCH} pixels: take it out.")
        count = min(self.images, len(fake), len(real))
        generator = torch_generator(comparison.seed, "pyramid-wasserstein")
        device = comparison.fake_features.device
        real = _draw(real, count, generator)
        values = {}
        # The same places and directions for both kinds: a set against itself is at distance 0.
        sets = [
            _descriptors(images, self.patches, device, torch_generator(comparison.seed, "pyramid-patches"))
            for images in (fake[:count], real)
        ]
        sizes = [level.shape[-2] for level in laplacian_pyramid(fake[:1].float())]
        for size, first, second in zip(sizes, *sets, strict=True):
            values[f"swd_{size}"] = 1000 * sliced_wasserstein(first, second, self.projections, 1, generator)
        return {**values, "swd": sum(values.values()) / len(values)}
