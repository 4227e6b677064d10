"""FID and Inception Score while training."""

import time
from pathlib import Path

import pytorch_lightning as pl
import torch

from ganforge.callbacks.clocked import Scoring
from ganforge.console import say
from ganforge.data.module import ImageData
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.protocol import Protocol
from ganforge.models.base import AdversarialModule

__all__ = ["Evaluate"]


class Evaluate(Scoring):
    """Measures the generator under a protocol on all ranks, and remembers the best and the last values.

    Weights are found and real images measured before training starts, so that what is missing is told at once.

    Args:
        protocol: how to measure.
        cache: folder of real images' statistics.
        every_kimg: thousands of images between evaluations.
        batch_size: images in a batch of samples.
    """

    criterion = "fid"

    def __init__(self, protocol: Protocol, cache: str, every_kimg: float, batch_size: int = 250) -> None:
        super().__init__(every_kimg)
        self.protocol, self.cache, self.batch_size = protocol, Path(cache).expanduser(), batch_size
        self._evaluation: Evaluation | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the extractor and measure the real images."""
        data: ImageData = trainer.datamodule  # type: ignore[attr-defined]
        if self._evaluation is None:
            device = pl_module.device
            self._evaluation = Evaluation(self.protocol, data.splits(), self.cache, device, self.batch_size)
            self.tag = self._evaluation.tag

    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Sample, measure, log."""
        assert self._evaluation is not None
        module.ledger.read(module.images_seen)
        started = time.perf_counter()

        def sample(n: int, generator: torch.Generator, ema: bool) -> torch.Tensor:
            return module.sample(n, ema=ema, generator=generator)

        values = self._evaluation(sample)
        seconds = time.perf_counter() - started
        self.keep(trainer, module, values)
        say(
            f"{module.images_seen / 1000:,.1f} kimg: FID {values['fid']:.3f}, IS {values['inception_score']:.3f} "
            f"+- {values['inception_score_std']:.3f} ({self.tag}, {seconds:.1f} s)"
        )
