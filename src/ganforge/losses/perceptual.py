"""Losses between pictures in the features of a frozen network."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import widen
from ganforge.losses.step import Step
from ganforge.losses.terms import GeneratorTerm
from ganforge.networks.critique import NotGiven
from ganforge.networks.features import EfficientNetFeatures, Features

__all__ = ["Perceptual"]


@dataclass(kw_only=True, eq=False)
class Perceptual(GeneratorTerm):
    """Distance of each output to its target in features: ``E|f(G(x)) - f(y)|``, the mean over layers.

    Johnson et al. 2016, equation 2; SRGAN's content loss (Ledig et al. 2017, equation 5) and ESRGAN's. The data must be
    paired with what the generator is conditioned on. The network's weights are in no checkpoint.

    Args:
        weight: 1 in BasicSR, on VGG19's conv5_4.
        every: see :class:`Term`.
        player: the generator alone.
        features: what pictures are compared in; ``None``: EfficientNet-lite0.
        norm: ``l1``, or ``l2``, the mean of squares.

    Raises:
        GanforgeError: for another norm, or ``player`` the discriminator.
    """

    needs_pairs = True
    features: Features | None = None
    norm: Literal["l1", "l2"] = "l1"
    _features: Features = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm not in ("l1", "l2"):
            raise GanforgeError(f"Perceptual: norm must be 'l1' or 'l2', got '{self.norm}'.")
        self._features = EfficientNetFeatures() if self.features is None else self.features

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        if step.real.ndim != 4 or step.real.shape[1] not in (1, 3):
            raise NotGiven("grey or colour pictures", "data", "choose data of 1 or 3 channels")
        fake = self._features(widen(step.fake))
        with torch.no_grad():
            real = self._features(widen(step.real))
        differences = [of - to for of, to in zip(fake, real, strict=True)]
        means = [each.abs().mean() if self.norm == "l1" else each.square().mean() for each in differences]
        return torch.stack(means).mean()
