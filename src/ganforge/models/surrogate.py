"""A GAN whose generator trains against surrogate weights of the discriminator."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from ganforge.data.columns import Batch
from ganforge.losses.step import Discriminate, Step
from ganforge.models.gan import GAN
from ganforge.models.phase import Losses, Phase
from ganforge.networks.critique import Critique
from ganforge.networks.functional import as_function

__all__ = ["SurrogateGAN"]


class SurrogateGAN(GAN):
    """:class:`GAN` whose generator trains against a surrogate of the discriminator; takes its arguments.

    Nothing of the discriminator changes in that phase, buffers included. Lazy terms of the generator see the
    discriminator itself, as do terms on its weights.
    """

    @abstractmethod
    def surrogate(self, step: Step) -> Mapping[str, Tensor]:
        """Return the surrogate's parameters by name; they may depend on ``step.fake``."""

    def phases(self) -> Sequence[Phase]:
        """See :class:`GAN`."""
        phases = super().phases()
        own = next(phase for phase in phases if phase.player == "generator")
        return [replace(phase, losses=self._generator_losses) if phase is own else phase for phase in phases]

    def discriminate_with(self, weights: Mapping[str, Tensor]) -> Discriminate:
        """Return the discriminator with ``weights`` for parameters and a copy of its buffers."""
        function = as_function(self.discriminator, weights)

        def discriminate(samples: Tensor, condition: Tensor | None) -> Critique:
            return Critique.of(function(self.augment(samples), condition), samples)

        return discriminate

    def _generator_losses(self, batch: Batch) -> Losses:
        step = self.play("generator", batch)
        weights = self.surrogate(step)
        against = replace(step, discriminate=self.discriminate_with(weights), surrogate=weights)
        return self.game.generator_losses(against)
