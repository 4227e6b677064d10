"""A protocol: everything that a metric's value depends on besides the model and the data."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ganforge.core.annotations import Bounds, Count, Positive, Whole
from ganforge.core.errors import GanforgeError
from ganforge.metrics.comparison import Metric
from ganforge.metrics.directions import Better, directions
from ganforge.metrics.extractors import Extractor

__all__ = ["HeldOutRows", "Protocol", "Sampling"]


@dataclass(frozen=True)
class Sampling:
    """How images are drawn from a model; protocols that agree in it share one set of samples.

    Attributes:
        weights: the generator's averaged weights, or the raw ones.
        batch_norm: ``running`` statistics of training, those of each sampled ``batch``, or ``standing`` ones,
            accumulated anew over 16 batches before sampling (Brock et al. 2019, appendix C.1).
        truncation: ``None``, or the threshold of :meth:`ganforge.latents.Latent.truncate` (Brock et al. 2019, section
            3.1); for a network with styles the factor by which they keep their distance from the mean style (Karras et
            al. 2019, appendix B).
        seed: of latents and labels.
        batch_size: images drawn from one random stream; another size draws another sample.
    """

    weights: Literal["ema", "raw"] = "ema"
    batch_norm: Literal["running", "batch", "standing"] = "running"
    truncation: Positive | None = None
    seed: Whole = 0
    batch_size: Count = 250

    def __post_init__(self) -> None:
        choices = {"weights": ("ema", "raw"), "batch_norm": ("running", "batch", "standing")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise GanforgeError(
                    f"protocol: sampling.{name} must be one of {', '.join(allowed)}, got '{getattr(self, name)}'."
                )
        if self.batch_size < 1 or (self.truncation is not None and not self.truncation > 0):
            raise GanforgeError("protocol: sampling.batch_size and sampling.truncation must be greater than 0.")
        if self.truncation is not None:
            object.__setattr__(self, "truncation", float(self.truncation))  # 1 and 1.0 are one protocol


@dataclass(frozen=True)
class HeldOutRows(Sampling):
    """Samples of the held-out split's own conditions, one of each row in order: translations of its pictures.

    A protocol that samples so takes no more samples than there are rows.

    Attributes:
        conditions: where conditions are from; ``heldout``, which tells it from :class:`Sampling` in a protocol's hash.
    """

    conditions: Literal["heldout"] = "heldout"


@dataclass(frozen=True)
class Protocol:
    """How values are measured; values of different protocols are not comparable.

    Attributes:
        name: as in reports.
        extractor: network that gives features and logits.
        metrics: what is measured, by any names.
        num_fake: number of generated images.
        num_real: number of real images, drawn once from the split; ``None`` for the whole split.
        split: real images that the model was trained on (``train``), has never seen (``heldout``), or ``full``: both.
        sampling: how images are drawn from the model.
        monitor: the value by which a run's best checkpoint is chosen, in the direction that its metric states;
            ``None``: the first one.
    """

    name: str
    extractor: Extractor
    metrics: Mapping[str, Metric]
    num_fake: Annotated[int, Bounds(at_least=2)]
    num_real: Annotated[int, Bounds(at_least=2)] | None = None
    split: Literal["train", "heldout", "full"] = "train"
    sampling: Sampling = field(default_factory=Sampling)
    monitor: str | None = None

    def __post_init__(self) -> None:
        if self.split not in ("train", "heldout", "full"):
            raise GanforgeError(f"protocol: split must be one of train, heldout, full; got '{self.split}'.")
        if self.num_fake < 2 or (self.num_real is not None and self.num_real < 2):
            raise GanforgeError("protocol: num_fake and num_real must be at least 2.")
        if not self.metrics:
            raise GanforgeError(f"protocol: {self.name} names no metrics; protocol=[] measures nothing.")
        if self.monitor is not None and directions(self.better, [self.monitor]).get(self.monitor) is None:
            known = ", ".join(name for name, way in self.better.items() if way is not None)
            raise GanforgeError(
                f"protocol: {self.name} cannot choose checkpoints by monitor={self.monitor}: its values are {known}."
            )
        splits = max((int(getattr(metric, "splits", 1)) for metric in self.metrics.values()), default=1)
        if splits > self.num_fake:
            raise GanforgeError(f"protocol: {splits} splits of num_fake={self.num_fake} images leave some empty.")

    @property
    def needs(self) -> frozenset[str]:
        """The fields of a comparison that some metric reads."""
        return frozenset().union(*(metric.needs for metric in self.metrics.values()))

    @property
    def better(self) -> Better:
        """Which way each value is better, by name or pattern."""
        return {pattern: way for metric in self.metrics.values() for pattern, way in metric.better.items()}

    def describe(self, weights: str, is_drawn: bool = False) -> dict[str, object]:
        """Return the protocol as plain values.

        Args:
            weights: the extractor's hash.
            is_drawn: whether ``num_real`` is a part of the split; the description then states how it is chosen.
        """
        return {
            **({"real_rows": "seeded permutation"} if is_drawn else {}),
            "extractor": self.extractor.name,
            "extractor_weights": weights,
            "resize": self.extractor.resize,
            "quantisation": "round-uint8",
            "num_real": self.num_real,
            "num_fake": self.num_fake,
            "split": self.split,
            "metrics": {name: _described(metric) for name, metric in sorted(self.metrics.items())},
            "sampling": dataclasses.asdict(self.sampling),
        }

    def tag(self, weights: str, is_drawn: bool = False) -> str:
        """Return the name with eight digits of the hash of :meth:`describe`: what travels with every value."""
        text = json.dumps(self.describe(weights, is_drawn), sort_keys=True)
        return f"{self.name}@{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def _described(metric: Any) -> dict[str, object]:
    """Return a metric's class and parameters, nested extractors and the like by their text."""
    parameters = {field.name: getattr(metric, field.name) for field in dataclasses.fields(metric)}
    return {"metric": type(metric).__name__, **json.loads(json.dumps(parameters, default=str))}
