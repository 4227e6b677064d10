"""Simultaneous gradient descent: both players' gradients are taken before either steps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ganforge.losses.step import Step
from ganforge.models.phase import Phase
from ganforge.models.surrogate import SurrogateGAN

__all__ = ["SimultaneousGAN"]


class SimultaneousGAN(SurrogateGAN):
    """:class:`GAN` whose generator trains against the discriminator from before the batch (SimGD).

    Simultaneous gradient descent of Mescheder et al. 2018, section 2.2. The generator trains against the weights that
    the batch's discriminator step, lazy terms and constraint began from; only they are kept, so the latents
    are as fresh as in :class:`GAN`. With ``n_critic > 1`` they are those before the last step.
    """

    def __init__(self, **gan: Any) -> None:
        super().__init__(**gan)
        self._snapshot = Snapshot(self.discriminator)

    def phases(self) -> Sequence[Phase]:
        """See :class:`GAN`; the snapshot is taken before the discriminator's own phase, the first."""
        first, *others = super().phases()
        return [replace(first, before=self._snapshot.take), *others]

    def surrogate(self, step: Step) -> Mapping[str, Tensor]:
        """See :class:`SurrogateGAN`."""
        return self._snapshot.weights


class Snapshot:
    """A copy of a network's weights.

    Args:
        network: whose they are.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self.weights: dict[str, Tensor] = {}

    def take(self) -> None:
        """Copy the network's present weights."""
        self.weights = {name: weight.detach().clone() for name, weight in self._network.named_parameters()}
