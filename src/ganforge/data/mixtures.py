"""Mixtures of Gaussians in the plane, whose modes can be counted; the modality of points."""

import io
import math

import numpy as np
import torch
from torch import Tensor

from ganforge.core.annotations import Count, Positive, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import LABEL, Column, Split, Splits
from ganforge.data.modality import Labels, Vectors

__all__ = ["Grid", "Mixture", "MixtureSample", "Points", "Ring"]


class Mixture:
    """Equally likely round Gaussians.

    Args:
        centres: ``(k, 2)`` means of the modes.
        sigma: standard deviation of each coordinate.

    Raises:
        GanforgeError: if ``sigma`` is not above 0.
    """

    def __init__(self, centres: Tensor, sigma: Positive) -> None:
        if not sigma > 0:
            raise GanforgeError(f"data.modality.mixture.sigma must be > 0, got {sigma}.")
        self.centres, self.sigma = centres, sigma

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return ``(n, 2)`` float32 points, and ``(n,)`` int64 modes that they are of."""
        modes = torch.randint(len(self.centres), (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float32)
        return self.centres[modes] + self.sigma * noise, modes


class Ring(Mixture):
    """Modes at equal angles on a circle about 0 (8 in PacGAN, Lin et al. 2018, section 4.1).

    Args:
        modes: how many.
        radius: of the circle.
        sigma: of each mode.
    """

    def __init__(self, modes: Count = 8, radius: float = 1.0, sigma: Positive = 0.01) -> None:
        if modes < 1:
            raise GanforgeError(f"data.modality.mixture.modes must be a whole number >= 1, got {modes}.")
        angles = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
        super().__init__((radius * torch.stack([angles.cos(), angles.sin()], 1)).float(), sigma)


class Grid(Mixture):
    """Modes on a square grid about 0 (5 by 5 at distance 2 in PacGAN).

    Args:
        side: modes in a row.
        spacing: distance between neighbours.
        sigma: of each mode.
    """

    def __init__(self, side: Count = 5, spacing: float = 2.0, sigma: Positive = 0.05) -> None:
        if side < 1:
            raise GanforgeError(f"data.modality.mixture.side must be a whole number >= 1, got {side}.")
        places = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) * spacing
        super().__init__(torch.cartesian_prod(places, places), sigma)


class Points(Vectors):
    """Points of the plane, not scaled.

    Args:
        mixture: the distribution that they are from, where it is known: its modes can be counted, and are drawn.
    """

    name = "points"

    def __init__(self, mixture: Mixture | None = None) -> None:
        super().__init__(2)
        self.mixture = mixture

    def picture(self, stored: Tensor, columns: int | None = None) -> Tensor:
        """Draw the cloud of points, over the centres of the mixture's modes."""
        from matplotlib.figure import Figure
        from PIL import Image

        points = stored.float().cpu().numpy()
        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.subplots()
        limit = 1.4 * float(np.quantile(np.abs(points), 0.99)) if self.mixture is None else 0.0
        if self.mixture is not None:
            limit = 1.4 * float(self.mixture.centres.abs().max())
            x, y = self.mixture.centres.T.numpy()
            axes.scatter(x, y, marker="+", s=120, linewidth=0.8, color="tab:red", label="modes")
        axes.scatter(points[:, 0], points[:, 1], s=3, alpha=0.4, linewidth=0, color="tab:blue", label="points")
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.legend(loc="upper right", fontsize="small")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        pixels = np.array(Image.open(buffer, formats=["PNG"]).convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def example(self, n: int, generator: torch.Generator) -> Tensor:
        """Return points of the mixture, or standard normal ones."""
        return super().example(n, generator) if self.mixture is None else self.mixture.draw(n, generator)[0]


class MixtureSample:
    """A sample of a mixture, drawn once, each point labelled by its mode.

    PacGAN draws 100,000 points once a run and passes over them 400 times in batches of 100.

    Args:
        mixture: what to draw from.
        points: size of the training sample; a tenth as many are held out.
        seed: of the sample.

    Raises:
        GanforgeError: if ``points`` is below 1.
    """

    def __init__(self, mixture: Mixture, points: Count = 100_000, seed: Whole = 0) -> None:
        if points < 1:
            raise GanforgeError(f"data.source.points must be a whole number >= 1, got {points}.")
        self.mixture, self.points, self.seed = mixture, points, seed

    def load(self, modality: Points) -> Splits:
        """Draw both splits."""
        return Splits(
            self._draw(self.points, "train", modality), self._draw(-(-self.points // 10), "heldout", modality)
        )

    def _draw(self, count: int, part: str, modality: Points) -> Split:
        points, modes = self.mixture.draw(count, torch_generator(self.seed, "mixture", part))
        return Split(Column(points, modality), {LABEL: Column(modes, Labels(len(self.mixture.centres)))})
