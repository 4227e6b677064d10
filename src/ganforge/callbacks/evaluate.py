"""Evaluation while training: FID, Inception Score and the protocols' other metrics."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ganforge.callbacks.clocked import Clocked
from ganforge.callbacks.scores import Scores
from ganforge.core.annotations import Positive
from ganforge.core.console import say, warnings_reported
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Split, Splits
from ganforge.loggers.base import Loggers
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.inputs import FewSamplesWarning
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.sources import Generated
from ganforge.models.base import AdversarialModule
from ganforge.runs.summary import format_scores

__all__ = ["Evaluate"]


class Evaluate(Clocked):
    """Evaluates the generator under protocols on all ranks; its :class:`Scores` are kept in checkpoints.

    Weights are found and real samples measured before training starts, so that what is missing is an error at once.
    Values are called ``metrics/<value>``, and ``metrics/<protocol>/<value>`` where an earlier protocol has given that
    value. The best checkpoint is best in the first protocol's ``monitor``.

    Args:
        protocols: how to measure, by name.
        cache: folder of real samples' statistics.
        every_kimg: thousands of images between evaluations; ``None``: a two-hundredth of the number of samples that are
            generated for one, so that measuring costs the same share of any run.

    Raises:
        GanforgeError: if there is no protocol.
    """

    def __init__(self, protocols: Mapping[str, Protocol], cache: str, every_kimg: Positive | None = None) -> None:
        self.protocols, self.cache = list(protocols.values()), Path(cache).expanduser()
        if not self.protocols:
            raise GanforgeError("callbacks.evaluate needs a protocol: choose one, or leave the callback out.")
        super().__init__(every_kimg or max(protocol.num_fake for protocol in self.protocols) / 200)
        better = {pattern: way for protocol in self.protocols for pattern, way in protocol.better.items()}
        self.scores = Scores(better=better)
        self._evaluation: Evaluation | None = None
        self._heldout: Split | None = None
        self._warned: set[str] = set()

    def prepare(self, module: AdversarialModule, splits: Splits) -> None:
        """Load the extractors and measure the real samples that the module's samplers are compared with."""
        if self._evaluation is None:
            self._heldout = splits.heldout
            targets = [sampler.target for sampler in module.samplers().values()]
            self._evaluation = Evaluation(self.protocols, splits, self.cache, module.device, targets)
            for source in self._sources(module).values():
                self._evaluation.check(source)

    def _sources(self, module: AdversarialModule) -> dict[str, Generated]:
        return {name: Generated(sampler, self._heldout) for name, sampler in module.samplers().items()}

    def extractor(self) -> nn.Module:
        """Return the first protocol's feature extractor."""
        assert self._evaluation is not None
        return self._evaluation.extractor(self.protocols[0].name)

    def measure(self, module: AdversarialModule, loggers: Loggers) -> None:
        """Generate, measure, log."""
        assert self._evaluation is not None
        module.ledger.read(module.images_seen)
        started = time.perf_counter()
        with warnings_reported(FewSamplesWarning, self._warned):
            measured = self._evaluation.over(self._sources(module))
        named = _named(measured)
        main = self.protocols[0]
        self.scores.criterion = _criterion(main, named[main.name])
        seconds = time.perf_counter() - started
        for protocol, values in named.items():
            tag = self._evaluation.tags[protocol]
            self.scores.add(values, module.images_seen, tag)
            loggers.log_measured({f"metrics/{name}": value for name, value in values.items()}, module.images_seen, tag)
            say(f"{module.images_seen / 1000:,.1f} kimg: {format_scores(values)} ({tag}, {seconds:.1f} s)")

    def state_dict(self) -> dict[str, object]:
        """Return the scores so far, for checkpoints."""
        return self.scores.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of :meth:`state_dict`."""
        self.scores.load_state_dict(state)


def _named(measured: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Put a protocol's name before values that an earlier protocol has given."""
    taken: set[str] = set()
    named = {}
    for protocol, values in measured.items():
        named[protocol] = {f"{protocol}/{name}" if name in taken else name: value for name, value in values.items()}
        taken |= values.keys()
    return named


def _criterion(protocol: Protocol, values: Iterable[str]) -> str:
    """Return what a run's best checkpoint is best in; of several samplers' values the main one's, which comes first."""
    names = list(values)
    return next((name for name in names if name.rpartition("/")[2] == protocol.monitor), names[0])
