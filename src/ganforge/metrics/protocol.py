"""A protocol: everything besides the samples that a metric's value depends on."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from ganforge.errors import GanforgeError
from ganforge.metrics.extractors import Extractor

__all__ = ["Protocol"]


@dataclass(frozen=True)
class Protocol:
    """How values are measured; values of different protocols are not comparable.

    Attributes:
        name: what people call it.
        extractor: network that gives features and logits.
        num_fake: number of generated images.
        num_real: number of real images, the split's first; ``None`` for the whole split.
        split: whether real images are the ones trained on or the held-out ones.
        inception_splits: parts over which the Inception Score is averaged.
        weights: the generator's averaged weights, or the raw ones.
        seed: of the latents, and of the permutation before the Inception Score's splits.
    """

    name: str
    extractor: Extractor
    num_fake: int
    num_real: int | None = None
    split: Literal["train", "heldout"] = "train"
    inception_splits: int = 10
    weights: Literal["ema", "raw"] = "ema"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in {"split": ("train", "heldout"), "weights": ("ema", "raw")}.items():
            if getattr(self, name) not in allowed:
                raise GanforgeError(
                    f"protocol.{name} must be one of {', '.join(allowed)}, got '{getattr(self, name)}'."
                )
        if self.num_fake < 2 or (self.num_real is not None and self.num_real < 2):
            raise GanforgeError("protocol.num_fake and protocol.num_real must be at least 2.")
        if not 1 <= self.inception_splits <= self.num_fake:
            raise GanforgeError("protocol.inception_splits must be between 1 and protocol.num_fake.")

    def describe(self, weights: str, sample_batch: int) -> dict[str, Any]:
        """Return the protocol as plain values.

        Args:
            weights: the extractor's hash.
            sample_batch: images drawn from one random stream; another size draws another sample.
        """
        return {
            "extractor": self.extractor.name,
            "extractor_weights": weights,
            "resize": self.extractor.resize,
            "quantisation": "round-uint8",
            "num_real": self.num_real,
            "num_fake": self.num_fake,
            "split": self.split,
            "inception_splits": self.inception_splits,
            "generator": self.weights,
            "batch_norm": "running statistics",
            "seed": self.seed,
            "sample_batch": sample_batch,
        }

    def tag(self, weights: str, sample_batch: int) -> str:
        """Return the name with eight digits of the hash of :meth:`describe`: what travels with every value."""
        text = json.dumps(self.describe(weights, sample_batch), sort_keys=True)
        return f"{self.name}@{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
