"""Mode coverage of generated points while training, and pictures of them."""

import io

import numpy as np
import pytorch_lightning as pl
import torch

from ganforge.callbacks.clocked import Scoring
from ganforge.callbacks.samples import SampleGrid
from ganforge.core.console import say
from ganforge.core.distributed import rank
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.mixtures import Mixture, Points
from ganforge.metrics.modes import ModeProtocol, mode_scores
from ganforge.models.base import AdversarialModule

__all__ = ["ModeCoverage", "PointCloud"]


def _mixture(trainer: pl.Trainer, callback: pl.Callback) -> Mixture:
    """Return the mixture that is trained on."""
    data = getattr(trainer, "datamodule", None)
    modality = getattr(data, "modality", None)
    if not isinstance(modality, Points) or modality.mixture is None:
        raise GanforgeError(
            f"{type(callback).__name__} needs a mixture of points, and data is none: use "
            "callbacks=default, or data=ring or data=grid."
        )
    return modality.mixture


class ModeCoverage(Scoring):
    """Logs ``metrics/modes``, ``metrics/high_quality`` and ``metrics/reverse_kl``; see :func:`mode_scores`.

    Args:
        protocol: how to measure.
        every_kimg: thousands of points between measurements.
    """

    criterion = "reverse_kl"

    def __init__(self, protocol: ModeProtocol, every_kimg: float) -> None:
        super().__init__(every_kimg)
        self.protocol = protocol

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse data without modes before training."""
        mixture = _mixture(trainer, self)
        self._tag = self.protocol.tag(mixture.centres, mixture.sigma)

    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Sample, measure and log, on rank 0."""
        if rank() != 0:
            return
        mixture, protocol = _mixture(trainer, self), self.protocol
        generator = torch_generator(protocol.seed, "modes", device=module.device)
        points = module.sample(protocol.samples, ema=protocol.weights == "ema", generator=generator)
        scores = mode_scores(points, mixture.centres, mixture.sigma, protocol.threshold)
        self.keep(trainer, module, scores, self._tag)
        say(
            f"{module.images_seen / 1000:,.1f} kimg: {scores['modes']:.0f} of {len(mixture.centres)} modes, "
            f"{scores['high_quality']:.1%} of high quality, reverse KL {scores['reverse_kl']:.3f} ({self._tag})"
        )


class PointCloud(SampleGrid):
    """Draws generated points over the mixture's centres; arguments are those of :class:`SampleGrid`."""

    def draw(self, module: AdversarialModule) -> torch.Tensor:
        """Return the picture, ``(3, H, W)`` uint8."""
        from matplotlib.figure import Figure
        from PIL import Image

        mixture = _mixture(module.trainer, self)
        generator = torch_generator(self.seed, "grid", device=module.device)
        points = module.sample(self.images, generator=generator).float().cpu().numpy()
        figure = Figure(figsize=(5, 5), layout="constrained")
        axes = figure.subplots()
        x, y = mixture.centres.T.numpy()
        axes.scatter(x, y, marker="+", s=120, linewidth=0.8, color="tab:red", label="modes")
        axes.scatter(points[:, 0], points[:, 1], s=3, alpha=0.4, linewidth=0, color="tab:blue", label="generated")
        limit = 1.4 * float(mixture.centres.abs().max())
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_title(f"{module.images_seen / 1000:,.0f} kimg")
        axes.legend(loc="upper right", fontsize="small")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        pixels = np.array(Image.open(buffer).convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)
