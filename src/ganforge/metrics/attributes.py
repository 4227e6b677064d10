"""Whether pictures show what their captions say: accuracy of attributes, and R-precision."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.texts import byte_texts
from ganforge.metrics.captions import KINDS, Attributes
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.directions import Better
from ganforge.metrics.inputs import features, field

__all__ = ["AttributeAccuracy", "RPrecision"]

Kind = Literal["scenes", "robots"]


def _attributes(metric: object, kind: str) -> Attributes:
    if kind not in KINDS:
        raise GanforgeError(f"{type(metric).__name__}: kind must be one of {', '.join(KINDS)}, got '{kind}'.")
    return KINDS[kind]


def _log_likelihoods(comparison: Comparison, attributes: Attributes) -> list[Tensor]:
    """Return the logarithms of the probabilities of each attribute's values, ``(n, values)`` each."""
    logits = features(comparison, "fake_logits", minimum=1)
    if logits.shape[1] != sum(attributes.sizes):
        raise GanforgeError(
            f"A protocol's attributes have {sum(attributes.sizes)} values, and its extractor has {logits.shape[1]} "
            "logits: give both the same kind."
        )
    return [part.log_softmax(1) for part in logits.double().split(attributes.sizes, 1)]


def _stated(comparison: Comparison, attributes: Attributes) -> Tensor:
    return attributes.numbers(byte_texts(field(comparison, "captions"))).to(comparison.fake_features.device)


def _right(parts: list[Tensor], stated: Tensor, attributes: Attributes) -> Tensor:
    """Return which stated attributes a picture shows, ``(n, attributes)`` bool: the likeliest value, or a likely one.

    Of attributes that may have two values at once, one counts that has a quarter of the probability.
    """
    right = []
    for k, (name, part) in enumerate(zip(attributes.values, parts, strict=True)):
        own = part.gather(1, stated[:, k : k + 1].clamp_min(0)).squeeze(1)
        right.append(own >= math.log(0.25) if name in attributes.shared else part.argmax(1) == stated[:, k])
    return torch.stack(right, 1)


def _by_part(name: str, right: Tensor, unseen: Tensor) -> dict[str, float]:
    """Return the mean of ``(n, ...)`` over all rows, and over those of seen and of unseen combinations."""
    parts = {name: right, f"{name}_seen": right[unseen == 0], f"{name}_unseen": right[unseen == 1]}
    return {key: float(part.double().mean()) for key, part in parts.items() if len(part)}


@dataclass(frozen=True)
class AttributeAccuracy:
    """Shares of attributes that a classifier reads from a picture as its caption states them.

    ``attributes`` is the mean over all that captions state, ``all_attributes`` the share of pictures with every one
    right, and both are given for captions of seen and of unseen combinations too. ``attribute_<kind>`` is the share of
    one kind. By chance an attribute is right once in as many times as it has values.

    Attributes:
        kind: of captions, that of the protocol's extractor.
    """

    kind: Kind = "scenes"
    needs: ClassVar[frozenset[str]] = frozenset({"captions", "unseen"})
    better: ClassVar[Better] = {"attributes*": "greater", "attribute_*": "greater", "all_attributes*": "greater"}

    def __post_init__(self) -> None:
        _attributes(self, self.kind)

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        attributes = KINDS[self.kind]
        stated, unseen = _stated(comparison, attributes), field(comparison, "unseen")
        right, there = _right(_log_likelihoods(comparison, attributes), stated, attributes), stated >= 0
        kinds = {
            name: (right[:, places] & there[:, places]).sum() / there[:, places].sum()
            for name, places in attributes.kinds.items()
        }
        return {
            **_by_part("attributes", (right & there).sum(1) / there.sum(1), unseen),
            **_by_part("all_attributes", (right | ~there).all(1), unseen),
            **{f"attribute_{name}": float(share) for name, share in kinds.items()},
        }


@dataclass(frozen=True)
class RPrecision:
    """Share of pictures whose own caption matches them best among wrong ones (Xu et al. 2018, section 4.1).

    A caption matches a picture by the likelihood of all that it states under the classifier of attributes, where the
    paper takes the cosine of DAMSM's embeddings and 99 wrong captions. Wrong ones are drawn from the other pictures'
    captions that state something else; a tie counts as wrong. By chance it is ``1 / (1 + wrong)``.

    Attributes:
        kind: of captions, that of the protocol's extractor.
        wrong: captions beside a picture's own.
    """

    kind: Kind = "scenes"
    wrong: Count = 9
    needs: ClassVar[frozenset[str]] = frozenset({"captions", "unseen"})
    better: ClassVar[Better] = {"r_precision*": "greater"}

    def __post_init__(self) -> None:
        _attributes(self, self.kind)
        if self.wrong < 1:
            raise GanforgeError(f"RPrecision: wrong must be a whole number >= 1, got {self.wrong}.")

    def __call__(self, comparison: Comparison) -> dict[str, float]:
        """See :class:`~ganforge.metrics.comparison.Metric`."""
        attributes = KINDS[self.kind]
        parts, stated = _log_likelihoods(comparison, attributes), _stated(comparison, attributes)
        others = _others(stated, self.wrong, comparison.seed)
        captions = stated[torch.cat([torch.arange(len(stated))[:, None], others], 1)]  # (n, 1 + wrong, attributes)
        scores = torch.stack(
            [part.gather(1, captions[..., k].clamp_min(0)) * (captions[..., k] >= 0) for k, part in enumerate(parts)]
        ).sum(0)
        right = scores[:, 0] > scores[:, 1:].max(1).values
        return _by_part("r_precision", right, field(comparison, "unseen"))


def _others(stated: Tensor, count: int, seed: int) -> Tensor:
    """Draw rows that state something else, ``(n, count)``."""
    generator = torch_generator(seed, "r-precision")
    rows = []
    for own in stated:
        different = (stated != own).any(1).nonzero()[:, 0].cpu()
        if len(different) < count:
            raise GanforgeError(
                f"RPrecision wants {count} captions that state something else, and there are {len(different)}: raise "
                "the protocol's num_fake, or lower the metric's wrong."
            )
        rows.append(different[torch.randperm(len(different), generator=generator)[:count]])
    return torch.stack(rows)
