"""Stacked-MNIST: three digits as the channels of one image, 1,000 modes that can be counted."""

import torch

from ganforge.core.annotations import Count, Whole
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Split, Splits, labelled
from ganforge.data.modality import Images
from ganforge.data.module import Source

__all__ = ["StackedDigits"]


class StackedDigits:
    """A fixed sample of images whose red, green and blue channels are three random digits (Metz et al. 2017, 3.3.1).

    The label is ``100 a + 10 b + c`` of the digits in channel order, one of 1,000 modes. Digits are drawn with
    replacement, so modes are as likely as the digits' own shares make them: equally in mnist5k, in MNIST between 0.74
    (555) and 1.4 (111) times as likely as equal ones. Held-out images are stacked from held-out digits. PacGAN (Lin et
    al. 2018, section 4.2) trains on 128,000 images drawn once.

    Args:
        digits: grey digits with labels 0 to 9.
        size: images to train on.
        heldout: images held out.
        seed: of the draw; runs' own seeds do not change it.

    Raises:
        GanforgeError: if a size is below 1.
    """

    def __init__(self, digits: Source, size: Count = 128_000, heldout: Count = 26_000, seed: Whole = 0) -> None:
        for name, value in {"size": size, "heldout": heldout}.items():
            if value < 1:
                raise GanforgeError(f"data.source.{name} must be a whole number >= 1, got {value}.")
        self.digits, self.size, self.heldout, self.seed = digits, size, heldout, seed

    def load(self, modality: Images) -> Splits:
        """Return ``(n, 3, 28, 28)`` images, or of whatever size the digits are.

        Raises:
            GanforgeError: if ``channels`` is not 3, or the digits are not grey or not labelled 0 to 9.
        """
        if modality.channels != 3:
            raise GanforgeError(
                f"Stacked digits need data.channels=3, one a digit, got {modality.channels}; or use data=mnist."
            )
        digits = self.digits.load(Images(28, 1))
        return Splits(
            self._stack(digits.train, self.size, "train", modality),
            self._stack(digits.heldout, self.heldout, "held", modality),
        )

    def _stack(self, digits: Split, count: int, part: str, modality: Images) -> Split:
        labels = digits.label
        if labels is None or digits.data.values.shape[1] != 1 or not set(labels.unique().tolist()) <= set(range(10)):
            raise GanforgeError("data.source.digits must give grey images with labels 0 to 9, as MNIST does.")
        chosen = torch.randint(len(digits), (count, 3), generator=torch_generator(self.seed, "stacked", part))
        images = digits.data[chosen.flatten()]
        stacked = Column(images.view(count, 3, *images.shape[2:]), modality)
        return labelled(stacked, (labels[chosen] * torch.tensor([100, 10, 1])).sum(1))
