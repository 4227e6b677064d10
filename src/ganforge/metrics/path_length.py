"""Perceptual path length: how far images move in LPIPS for a small step of the latent."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Bounds, Count, Positive
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.metrics.comparison import Comparison
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


def _shrink(images: Tensor, side: int = 256) -> Tensor:
    """Average blocks of pixels, so that images larger than 256 pixels become so large, as StyleGAN's code does."""
    factor = images.shape[-2] // side
    return F.avg_pool2d(images, factor) if factor > 1 else images


@dataclass(frozen=True)
class PerceptualPathLength:
    """Perceptual path length (Karras et al. 2019, section 4.1): ``ppl``; lower is smoother.

    The mean over paths of ``LPIPS(G(t), G(t + epsilon)) / epsilon^2``, without the lowest and the highest percent; on
    images that are not quantised. Which latents the path joins, and where ``t`` lies, the comparison's ``path_pairs``
    decides.

    Attributes:
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
    needs: ClassVar[frozenset[str]] = frozenset({"path_pairs"})
    better: ClassVar[Better] = {"ppl": "less"}

    def __post_init__(self) -> None:
        if self.samples < 1 or self.batch_size < 1 or not self.epsilon > 0 or not 0 <= self.discard < 0.5:
            raise GanforgeError(
                "PerceptualPathLength: samples and batch_size must be at least 1, epsilon above 0 and discard in "
                "[0, 0.5)."
            )

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
                first, second = comparison.path_pairs(count, self.epsilon, generator)
                lengths.append(distance(_shrink(first), _shrink(second)).cpu().double() / self.epsilon**2)
        values = torch.cat(lengths)
        if not values.isfinite().all():
            raise GanforgeError(
                "Perceptual path lengths are not finite: the generator has diverged; go on from the last checkpoint "
                "with a lower learning rate."
            )
        return {"ppl": trimmed_mean(values, self.discard)}
