"""FID, Inception Score and whatever else the protocols measure, while training."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytorch_lightning as pl
from torch import nn

from ganforge.callbacks.clocked import Scoring, training_module
from ganforge.core.console import say, warnings_reported
from ganforge.core.errors import GanforgeError
from ganforge.data.module import ImageData
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.inputs import FewSamplesWarning
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.sources import Generated
from ganforge.models.base import AdversarialModule
from ganforge.runs.summary import format_scores

__all__ = ["Evaluate"]

#: What a run's best checkpoint is best in: the first of these that is measured, else the first value.
_CRITERIA = ("fid", "kid", "reverse_kl", "inception_score")


class Evaluate(Scoring):
    """Measures the generator under protocols on all ranks, and remembers the best and the last values.

    Weights are found and real images measured before training starts, so that what is missing is told at once. Values
    are called ``metrics/<value>``, and ``metrics/<protocol>/<value>`` where an earlier protocol has given that value.

    Args:
        protocols: how to measure, by name.
        cache: folder of real images' statistics.
        every_kimg: thousands of images between evaluations; ``None``: a two-hundredth of the number of images that are
            generated for one, so that measuring costs the same share of any run.
    """

    criterion = "fid"

    def __init__(self, protocols: Mapping[str, Protocol], cache: str, every_kimg: float | None = None) -> None:
        self.protocols, self.cache = list(protocols.values()), Path(cache).expanduser()
        if not self.protocols:
            raise GanforgeError("callbacks.evaluate needs a protocol: choose one, or leave the callback out.")
        super().__init__(every_kimg or max(protocol.num_fake for protocol in self.protocols) / 200)
        self._evaluation: Evaluation | None = None
        self._told: set[str] = set()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the extractors and measure the real images."""
        data: ImageData = trainer.datamodule  # type: ignore[attr-defined]
        if self._evaluation is None:
            targets = [sampler.target for sampler in training_module(pl_module).samplers().values()]
            self._evaluation = Evaluation(self.protocols, data.splits(), self.cache, pl_module.device, targets)

    def extractor(self) -> nn.Module:
        """Return the first protocol's feature extractor."""
        assert self._evaluation is not None
        return self._evaluation.extractor(self.protocols[0].name)

    def act(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Sample, measure, log."""
        assert self._evaluation is not None
        module.ledger.read(module.images_seen)
        started = time.perf_counter()
        with warnings_reported(FewSamplesWarning, self._told):
            sources = {name: Generated(sampler) for name, sampler in module.samplers().items()}
            measured = self._evaluation.over(sources)
        named = _named(measured)
        self.criterion = _criterion([name for values in named.values() for name in values])
        seconds = time.perf_counter() - started
        for protocol, values in named.items():
            tag = self._evaluation.tags[protocol]
            self.keep(trainer, module, values, tag)
            say(f"{module.images_seen / 1000:,.1f} kimg: {format_scores(values)} ({tag}, {seconds:.1f} s)")


def _named(measured: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Put a protocol's name before values that an earlier protocol has given."""
    taken: set[str] = set()
    named = {}
    for protocol, values in measured.items():
        named[protocol] = {f"{protocol}/{name}" if name in taken else name: value for name, value in values.items()}
        taken |= values.keys()
    return named


def _criterion(names: list[str]) -> str:
    return next((name for name in _CRITERIA if name in names), names[0])
