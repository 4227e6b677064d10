"""Mixtures of Gaussians in the plane: data whose modes can be counted."""

import math

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ganforge.core.distributed import rank, world_size
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.arrays import BatchOrder, ImageArray, Splits, TrainingBatches
from ganforge.data.images import Batch

__all__ = ["Grid", "Mixture", "MixtureData", "Ring"]


class Mixture:
    """Equally likely round Gaussians.

    Args:
        centres: ``(k, 2)`` means of the modes.
        sigma: standard deviation of each coordinate.

    Raises:
        GanforgeError: if ``sigma`` is not above 0.
    """

    def __init__(self, centres: Tensor, sigma: float) -> None:
        if not sigma > 0:
            raise GanforgeError(f"data.mixture.sigma must be > 0, got {sigma}.")
        self.centres, self.sigma = centres, sigma

    def draw(self, n: int, generator: torch.Generator) -> ImageArray:
        """Return ``(n, 2)`` float32 points, each labelled by its mode."""
        modes = torch.randint(len(self.centres), (n,), generator=generator)
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float32)
        return ImageArray(self.centres[modes] + self.sigma * noise, modes)


class Ring(Mixture):
    """Modes at equal angles on a circle about 0 (8 in PacGAN, Lin et al. 2018, section 4.1).

    Args:
        modes: how many.
        radius: of the circle.
        sigma: of each mode.
    """

    def __init__(self, modes: int = 8, radius: float = 1.0, sigma: float = 0.01) -> None:
        if modes < 1:
            raise GanforgeError(f"data.mixture.modes must be a whole number >= 1, got {modes}.")
        angles = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
        super().__init__((radius * torch.stack([angles.cos(), angles.sin()], 1)).float(), sigma)


class Grid(Mixture):
    """Modes on a square grid about 0 (5 by 5 at distance 2 in PacGAN).

    Args:
        side: modes in a row.
        spacing: distance between neighbours.
        sigma: of each mode.
    """

    def __init__(self, side: int = 5, spacing: float = 2.0, sigma: float = 0.05) -> None:
        if side < 1:
            raise GanforgeError(f"data.mixture.side must be a whole number >= 1, got {side}.")
        places = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) * spacing
        super().__init__(torch.cartesian_prod(places, places), sigma)


class MixtureData(pl.LightningDataModule):
    """Endless training batches of a mixture's fixed sample: ``Batch(images=(n, 2) float32, labels=mode)``.

    Batches come in the order of :class:`~ganforge.data.arrays.BatchOrder` from the trained module's clock.
    Points are not scaled. PacGAN draws 100,000 points once a run and passes over them 400 times in batches of
    100.

    Args:
        mixture: what to draw from.
        batch_size: points in a batch over all processes.
        points: size of the training sample; a tenth as many are held out.
        seed: of the sample and of the batch order.
    """

    def __init__(self, mixture: Mixture, *, batch_size: int, points: int = 100_000, seed: int = 0) -> None:
        super().__init__()
        for name, value in {"batch_size": batch_size, "points": points}.items():
            if value < 1:
                raise GanforgeError(f"data.{name} must be a whole number >= 1, got {value}.")
        self.mixture, self.batch_size, self.points, self.seed = mixture, batch_size, points, seed
        self._splits: Splits | None = None

    def splits(self) -> Splits:
        """Draw both samples, once, and return them."""
        if self._splits is None:
            train, heldout = (torch_generator(self.seed, "mixture", part) for part in ("train", "heldout"))
            self._splits = Splits(
                self.mixture.draw(self.points, train), self.mixture.draw(-(-self.points // 10), heldout)
            )
        return self._splits

    def example(self) -> Batch:
        """Return a few points of the mixture, before the sample is drawn."""
        few = self.mixture.draw(12, torch_generator(0, "example"))
        return Batch(few[torch.arange(12)], few.labels)

    def _clock(self) -> int:
        return 0 if self.trainer is None else int(getattr(self.trainer.lightning_module, "images_seen", 0))

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return an endless loader; it begins at the trained module's clock."""
        train = self.splits().train
        order = BatchOrder(len(train), self.batch_size, self.seed, self._clock, rank(), world_size())
        return DataLoader(
            TrainingBatches(train, self.seed, 0.0),
            sampler=order,
            batch_size=None,
            generator=torch.Generator(),  # its own: loading consumes none of the training's random numbers
        )
