"""APA: generated samples take the place of real ones with a probability that follows overfitting."""

from collections.abc import Callable

import torch
from torch import Tensor

from ganforge.augment.adaptive import Adaptive

__all__ = ["Apa"]


class Apa(Adaptive):
    """Adaptive pseudo augmentation: with probability ``p`` a real sample is replaced by a generated one.

    Images themselves are left as they are (Jiang et al. 2021, "Deceive D: adaptive pseudo augmentation for
    GAN training with limited data", section 3); compose with :class:`~ganforge.augment.ada.Ada` of a fixed
    ``p`` for the paper's combination with standard augmentations. Arguments are those of :class:`Adaptive`,
    whose defaults are the paper's.

    Deviations: the official code deceives with the last images of the generator's own phase under the real
    images' labels; here the loop chooses the generated images, and they have the real images' conditions.
    ``p`` stays at most 1.
    """

    def pseudo(self, real: Tensor, make_fake: Callable[[], Tensor]) -> Tensor:
        """See :class:`~ganforge.augment.base.Augment`; the generated images are detached."""
        fake = make_fake()
        deceive = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device) < self.p
        return torch.where(deceive, fake.detach().to(real.dtype), real)
