"""How different generated images are from one another, by pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from ganforge.core.annotations import Bounds, Count
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.images import normalise
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import field
from ganforge.metrics.perceptual import Backbone, load_lpips
from ganforge.metrics.similarity import multi_scale_similarity

__all__ = ["LpipsDiversity", "MultiScaleSimilarity", "draw_pairs"]

Pairing = Literal["any", "class"]
Border = Literal["valid", "padded"]
#: Weights of the five scales of Wang et al. (2003).
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
BATCH = 64


def draw_pairs(count: int, pairs: int, labels: Tensor | None, generator: torch.Generator) -> Tensor:
    """Draw pairs of different images.

    Args:
        count: number of images.
        pairs: how many pairs; of each class if there are labels.
        labels: ``(count,)``; pairs are then within a class.
        generator: on the CPU.

    Returns:
        ``(p, 2)`` numbers of images.

    Raises:
        GanforgeError: if there is, or a class has, only one image.
    """
    groups = (
        [torch.arange(count)] if labels is None else [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    )
    if min(map(len, groups)) < 2:
        raise GanforgeError(
            "Diversity needs at least 2 images, of each class with pairing=class: raise the protocol's number of "
            "generated images."
        )
    drawn = []
    for group in groups:
        first = torch.randint(len(group), (pairs,), generator=generator)
        step = torch.randint(1, len(group), (pairs,), generator=generator)
        drawn.append(torch.stack([group[first], group[(first + step) % len(group)]], 1))
    return torch.cat(drawn)


def _over_pairs(
    images: Tensor, pairs: Tensor, device: torch.device, measure: Callable[[Tensor, Tensor], Tensor]
) -> float:
    """Return the mean of a measure of two batches in [-1, 1] over ``(p, 2)`` pairs of uint8 images."""
    values = []
    with torch.no_grad():
        for part in pairs.split(BATCH):
            first, second = (normalise(images[part[:, side]].to(device)) for side in (0, 1))
            values.append(measure(first, second).cpu())
    return float(torch.cat(values).double().mean())


def _labels(comparison: Comparison, name: str, pairing: Pairing, count: int) -> Tensor | None:
    return field(comparison, name)[:count].cpu() if pairing == "class" else None


def _require(owner: str, pairs: int, pairing: str) -> None:
    if pairs < 1 or pairing not in ("any", "class"):
        raise GanforgeError(f"{owner}: pairs must be at least 1 and pairing must be any or class.")


@dataclass(frozen=True)
class MultiScaleSimilarity:
    """Mean MS-SSIM of pairs of generated images, and of real ones (Odena et al. 2017, section 4.2).

    ``ms_ssim`` and ``ms_ssim_real`` are in [0, 1]; lower is more diverse, and a value above the real images' indicates
    collapse. Odena et al. take 100 pairs within each class: ``pairing="class"``.

    ``border="valid"`` is the reference (Wang et al. 2003, by its authors' code and ProGAN's ``ms_ssim.py``): windows
    that lie inside the image, smaller ones where a scale has fewer than 11 pixels. ``border="padded"`` is that of
    torchmetrics, whose windows reach over the border into reflected pixels and need larger images; the two differ by
    some percent.

    Attributes:
        pairs: how many, of each class with ``pairing="class"``.
        pairing: whether both images of a pair are of one class.
        scales: the first so many of the five, their weights scaled to the sum 1; values of different scales do not
            compare. With ``padded`` borders five need images of more than 160 pixels, four more than 90, three more
            than 40, two more than 10; with ``valid`` ones five need 16.
        border: which windows count.
    """

    pairs: Count = 100
    pairing: Pairing = "any"
    scales: Annotated[int, Bounds(at_least=1, at_most=5)] = 5
    border: Border = "valid"
    better: ClassVar[Better] = {"ms_ssim": None, "ms_ssim_real": None}

    def __post_init__(self) -> None:
        _require("MultiScaleSimilarity", self.pairs, self.pairing)
        if not 1 <= self.scales <= len(WEIGHTS):
            raise GanforgeError(f"MultiScaleSimilarity: scales must be between 1 and 5, got {self.scales}.")
        if self.border not in ("valid", "padded"):
            raise GanforgeError(f"MultiScaleSimilarity: border must be valid or padded, got {self.border}.")

    @property
    def needs(self) -> frozenset[str]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        labels = {"fake_labels", "real_labels"} if self.pairing == "class" else set()
        return frozenset({"fake_images", "real_images", *labels})

    def _similarity(self, first: Tensor, second: Tensor) -> Tensor:
        weights = tuple(weight / sum(WEIGHTS[: self.scales]) for weight in WEIGHTS[: self.scales])
        similarity = multi_scale_similarity if self.border == "valid" else _padded
        return similarity((first + 1) / 2, (second + 1) / 2, weights)

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        device = comparison.fake_features.device
        values = {}
        for kind, key in (("fake", "ms_ssim"), ("real", "ms_ssim_real")):
            images = field(comparison, f"{kind}_images")
            _require_size(min(images.shape[-2:]), self.scales, self.border)
            labels = _labels(comparison, f"{kind}_labels", self.pairing, len(images))
            generator = torch_generator(comparison.seed, "ms-ssim", kind)
            pairs = draw_pairs(len(images), self.pairs, labels, generator)
            values[key] = _over_pairs(images, pairs, device, self._similarity)
        return values


def _require_size(side: int, scales: int, border: Border) -> None:
    def fits(number: int) -> bool:
        padded = border == "padded"
        return side >= 2 ** (number if padded else number - 1) and (not padded or side // max(1, number - 1) ** 2 > 10)

    if not fits(scales):
        largest = max((number for number in range(1, 6) if fits(number)), default=0)
        way = f"set scales={largest}" if largest else "take the metric out"
        raise GanforgeError(f"MultiScaleSimilarity: images of {side} pixels are too small for {scales} scales: {way}.")


def _padded(first: Tensor, second: Tensor, weights: Sequence[float]) -> Tensor:
    """Return torchmetrics' MS-SSIM of ``(n, c, h, w)`` images in [0, 1], ``(n,)``."""
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    value = multiscale_structural_similarity_index_measure(
        first, second, data_range=1.0, betas=tuple(weights), reduction="none"
    )
    assert isinstance(value, Tensor)
    return value


@dataclass(frozen=True)
class LpipsDiversity:
    """Mean LPIPS distance (Zhang et al. 2018) of pairs of generated images, ``lpips_diversity``: higher, more diverse.

    Attributes:
        pairs: how many, of each class with ``pairing="class"``.
        pairing: whether both images of a pair are of one class.
        network: the backbone.
    """

    pairs: Count = 1000
    pairing: Pairing = "any"
    network: Backbone = "vgg"
    better: ClassVar[Better] = {"lpips_diversity": "greater"}

    def __post_init__(self) -> None:
        _require("LpipsDiversity", self.pairs, self.pairing)

    @property
    def needs(self) -> frozenset[str]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        return frozenset({"fake_images", "fake_labels"} if self.pairing == "class" else {"fake_images"})

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        device = comparison.fake_features.device
        distance = load_lpips(self.network, device)
        images = field(comparison, "fake_images")
        labels = _labels(comparison, "fake_labels", self.pairing, len(images))
        pairs = draw_pairs(len(images), self.pairs, labels, torch_generator(comparison.seed, "lpips-diversity"))
        return {"lpips_diversity": _over_pairs(images, pairs, device, distance)}
