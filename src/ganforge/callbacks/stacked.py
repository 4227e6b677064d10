"""Mode coverage of stacked digits while training."""

import pytorch_lightning as pl
import torch

from ganforge.callbacks.clocked import Scoring
from ganforge.console import say
from ganforge.data.module import ImageData
from ganforge.data.stacked import StackedDigits
from ganforge.errors import GanforgeError
from ganforge.metrics.stacked import MODES, StackedEvaluation, StackedProtocol
from ganforge.models.base import AdversarialModule

__all__ = ["StackedCoverage"]


class StackedCoverage(Scoring):
    """Logs ``metrics/modes`` and ``metrics/reverse_kl``; see :func:`ganforge.metrics.stacked.coverage`.

    Args:
        protocol: how to measure.
        every_kimg: thousands of images between measurements.
        batch_size: images in a batch of samples.
    """

    criterion = "reverse_kl"

    def __init__(self, protocol: StackedProtocol, every_kimg: float, batch_size: int = 250) -> None:
        super().__init__(every_kimg)
        self.protocol, self.batch_size = protocol, batch_size
        self._evaluation: StackedEvaluation | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the classifier; refuse data that are not stacked digits."""
        data = getattr(trainer, "datamodule", None)
        if not (isinstance(data, ImageData) and isinstance(data.source, StackedDigits)):
            raise GanforgeError(
                "callbacks=stacked counts modes of stacked digits, and data is something else: use callbacks=default, "
                "or data=stacked_mnist5k or data=stacked_mnist."
            )
        labels = data.splits().train.labels
        assert labels is not None
        self._evaluation = StackedEvaluation(self.protocol, labels, pl_module.device, self.batch_size)
        self.tag = self._evaluation.tag

    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Sample, measure, log; every rank does its share."""
        assert self._evaluation is not None
        module.ledger.read(module.images_seen)

        def sample(n: int, generator: torch.Generator, ema: bool) -> torch.Tensor:
            return module.sample(n, ema=ema, generator=generator)

        scores = self._evaluation(sample)
        self.keep(trainer, module, scores)
        say(
            f"{module.images_seen / 1000:,.1f} kimg: {scores['modes']:.0f} of {MODES} modes, "
            f"reverse KL {scores['reverse_kl']:.3f} ({self.tag})"
        )
