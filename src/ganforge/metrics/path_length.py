"""Perceptual path length: how far images move in LPIPS for a small step of the latent."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Bounds, Count, Positive
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.metrics.comparison import Comparison, Place, Space
from ganforge.metrics.directions import Better
from ganforge.metrics.perceptual import Backbone, load_lpips

__all__ = ["PerceptualPathLength", "trimmed_mean"]


def trimmed_mean(values: Tensor, discard: float) -> float:
    """Return the mean of what lies between two quantiles, both kept, as in StyleGAN's code.

    Args:
        values: ``(n,)``.
        discard: share in [0, 0.5) below the lower quantile and above the upper one.
    """
    low = torch.quantile(values, discard, interpolation="lower")
    high = torch.quantile(values, 1 - discard, interpolation="higher")
    return float(values[(values >= low) & (values <= high)].mean())


def _shrink(images: Tensor, side: int) -> Tensor:
    """Average blocks of pixels by what makes a whole image of ``side`` one of 256 pixels, as StyleGAN's code does."""
    factor = side // 256
    return F.avg_pool2d(images, factor) if factor > 1 else images


def _middle(images: Tensor) -> Tensor:
    """Cut out what StyleGAN's code takes of faces."""
    height, width = images.shape[-2:]
    if height != width or height < 8:
        raise GanforgeError(
            f"PerceptualPathLength: crop=true is for square images of 8 pixels or more, not {height} x {width}: set "
            "crop=false."
        )
    eighth = height // 8
    return images[..., 3 * eighth : 7 * eighth, 2 * eighth : 6 * eighth]


@dataclass(frozen=True)
class PerceptualPathLength:
    """Perceptual path length (Karras et al. 2019, section 4.1): ``ppl``; lower is smoother.

    The mean over paths of ``LPIPS(G(t), G(t + epsilon)) / epsilon^2``, without the lowest and the highest percent; on
    images that are not quantised. Paths join two latents along a great circle, or their styles along a straight line.

    The defaults are StyleGAN's in ``z`` (``ppl_zfull``, but for the crop); StyleGAN2's own, in its tables, is
    ``space=w at=end`` (``ppl2_wend``); with ``crop=true`` both are those for faces.

    Attributes:
        space: what is interpolated: latents, or the styles of a generator that maps them.
        at: where on the path: anywhere (``full``), or at its first end.
        crop: compare the middle of a face alone: of a square image in eighths, rows 3 to 7 and columns 2 to 6.
        samples: number of paths.
        epsilon: length of the step.
        discard: share of the smallest, and of the largest, distances left out.
        batch_size: paths at a time; part of what is sampled.
        network: LPIPS's backbone; the paper's is VGG.
    """

    samples: Count = 50_000
    epsilon: Positive = 1e-4
    discard: Annotated[float, Bounds(at_least=0, below=0.5)] = 0.01
    batch_size: Count = 50
    network: Backbone = "vgg"
    space: Space = "z"
    at: Place = "full"
    crop: bool = False
    needs: ClassVar[frozenset[str]] = frozenset({"path_pairs"})
    better: ClassVar[Better] = {"ppl": "less"}

    def __post_init__(self) -> None:
        if self.samples < 1 or self.batch_size < 1 or not self.epsilon > 0 or not 0 <= self.discard < 0.5:
            raise GanforgeError(
                "PerceptualPathLength: samples and batch_size must be at least 1, epsilon above 0 and discard in "
                "[0, 0.5)."
            )
        if self.space not in ("z", "w") or self.at not in ("full", "end"):
            raise GanforgeError("PerceptualPathLength: space must be z or w, and at full or end.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        if comparison.path_pairs is None:
            raise GanforgeError("PerceptualPathLength needs a model with latents to go between: take it out.")
        device = comparison.fake_features.device
        distance = load_lpips(self.network, device)
        lengths = []
        with torch.no_grad():
            for number, start in enumerate(range(0, self.samples, self.batch_size)):
                generator = torch_generator(comparison.seed, "path-length", number, device=device)
                count = min(self.batch_size, self.samples - start)
                pairs = comparison.path_pairs(count, self.epsilon, generator, space=self.space, at=self.at)
                first, second = (_shrink(_middle(one) if self.crop else one, one.shape[-2]) for one in pairs)
                lengths.append(distance(first, second).cpu().double() / self.epsilon**2)
        values = torch.cat(lengths)
        if not values.isfinite().all():
            raise GanforgeError(
                "Perceptual path lengths are not finite: the generator has diverged; go on from the last checkpoint "
                "with a lower learning rate."
            )
        return {"ppl": trimmed_mean(values, self.discard)}
