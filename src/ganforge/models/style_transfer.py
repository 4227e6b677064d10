"""Style transfer: a generator of a content picture and of another one's style."""

from ganforge.data.columns import Batch
from ganforge.models.stargan import HeldOut
from ganforge.models.supervised import Supervised
from ganforge.sampling.sampler import Inputs, Sampler

__all__ = ["StyleTransfer"]


class StyleTransfer(Supervised):
    """:class:`Supervised` whose generator takes the data for its latent: pictures in whose style it draws the others.

    The column ``source`` is the content. Sampling takes styles from the held-out split. Takes :class:`Supervised`'s
    arguments.
    """

    def inputs(self, batch: Batch) -> Inputs:
        """See :class:`Supervised`."""
        return Inputs(batch.data, self.conditioning(batch))

    def samplers(self) -> dict[str, Sampler]:
        """See :class:`Supervised`."""
        styles = HeldOut()
        if self.data is not None:
            styles.bind(self.data)
        modality = self.modality_of()
        return {"generator": Sampler(self.generator, styles, self.conditioning, modality, self.generator_ema)}
