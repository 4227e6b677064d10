"""Simultaneous gradient descent: both players' gradients are taken before either steps."""

from torch import Tensor

from ganforge.data.columns import Batch
from ganforge.losses.step import Step
from ganforge.models.stand_in import StandInGAN

__all__ = ["SimultaneousGAN"]


class SimultaneousGAN(StandInGAN):
    """:class:`GAN` whose generator answers the discriminator as it was before the batch (SimGD).

    Simultaneous gradient descent of Mescheder et al. 2018, section 2.2. The generator faces the weights that
    the batch's discriminator step, lazy terms and constraint began from; only they are kept, so the latents
    are as fresh as in :class:`GAN`. With ``n_critic > 1`` they are those before the last step.
    """

    def _discriminator_losses(self, batch: Batch) -> dict[str, Tensor]:
        self._before = {name: weight.detach().clone() for name, weight in self.discriminator.named_parameters()}
        return super()._discriminator_losses(batch)

    def stand_in(self, step: Step) -> dict[str, Tensor]:
        """See :class:`StandInGAN`."""
        return self._before
