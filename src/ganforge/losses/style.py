"""Losses of style transfer: content and style in the features of a frozen network."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganforge.losses.precision import widen
from ganforge.losses.step import Step
from ganforge.losses.terms import GeneratorTerm
from ganforge.networks.adain import adaptive_instance_norm, channel_statistics
from ganforge.networks.critique import NotGiven
from ganforge.networks.features import EfficientNetFeatures, Features

__all__ = ["StyleContent", "StyleStatistics"]


def _pictures(step: Step) -> tuple[Tensor, Tensor]:
    """Return content and style.

    Raises:
        NotGiven: if the generator does not take both.
    """
    if step.latent is None or step.condition is None or not step.latent.ndim == step.condition.ndim == 4:
        raise NotGiven("content and style pictures", "this procedure", "choose model=adain")
    return widen(step.condition), widen(step.latent)


@dataclass(kw_only=True, eq=False)
class StyleContent(GeneratorTerm):
    """``E|f(G(c, s)) - AdaIN(f(c), f(s))|^2``, the mean of squares (Huang and Belongie 2017, equation 12).

    Args:
        weight: 1 in the authors' recipe.
        every: see :class:`Term`.
        player: the generator alone.
        features: of which the last map is compared; ``None``: EfficientNet-lite0's at a quarter of the side.
    """

    features: Features | None = None
    _features: Features = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._features = EfficientNetFeatures(stages=(1,)) if self.features is None else self.features

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        content, style = _pictures(step)
        with torch.no_grad():
            target = adaptive_instance_norm(self._features(content)[-1], self._features(style)[-1])
        return (self._features(widen(step.fake))[-1] - target).square().mean()


@dataclass(kw_only=True, eq=False)
class StyleStatistics(GeneratorTerm):
    """Squared differences of every layer's channel means and deviations (Huang and Belongie 2017, equation 13).

    ``sum_i E|mu(f_i(G)) - mu(f_i(s))|^2 + E|sigma(f_i(G)) - sigma(f_i(s))|^2``, means over channels.

    Args:
        weight: 10 in the authors' recipe.
        every: see :class:`Term`.
        player: the generator alone.
        features: the layers; ``None``: EfficientNet-lite0's from half of the side to a sixteenth.
    """

    features: Features | None = None
    _features: Features = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._features = EfficientNetFeatures(stages=(0, 1, 2, 4)) if self.features is None else self.features

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        _, style = _pictures(step)
        with torch.no_grad():
            wanted = [channel_statistics(maps) for maps in self._features(style)]
        found = [channel_statistics(maps) for maps in self._features(widen(step.fake))]
        pairs = [(of, to) for one, other in zip(found, wanted, strict=True) for of, to in zip(one, other, strict=True)]
        return torch.stack([(of - to).square().mean() for of, to in pairs]).sum()
