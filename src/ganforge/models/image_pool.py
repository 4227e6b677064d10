"""A history of generated images, which the discriminator sees beside the latest ones."""

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError

__all__ = ["ImagePool"]


class ImagePool:
    """A history of generated images (Shrivastava et al. 2017, section 2.3, as in CycleGAN's code).

    Until ``size`` images are stored, each image is stored and comes back. After that, with probability 1/2 each, an
    image comes back as it is, or takes the place of a stored one drawn at random, which comes back instead. Chance is
    torch's on the CPU.

    Args:
        size: how many images are stored; 0 for no history.

    Raises:
        GanforgeError: for a negative size.
    """

    def __init__(self, size: int = 50) -> None:
        if size < 0:
            raise GanforgeError(f"pool_size must be a whole number >= 0, got {size}.")
        self.size = size
        self._stored: list[Tensor] = []

    def __len__(self) -> int:
        return len(self._stored)

    def exchange(self, images: Tensor) -> Tensor:
        """Return ``(n, ...)`` images of the history and the latest ones; ``images`` are detached ones."""
        return images if self.size == 0 else torch.stack([self._exchange(image) for image in images.clone()])

    def _exchange(self, image: Tensor) -> Tensor:
        if len(self._stored) < self.size:
            self._stored.append(image)
            return image
        if torch.rand(()) < 0.5:
            return image
        chosen = int(torch.randint(self.size, ()))
        old, self._stored[chosen] = self._stored[chosen], image
        return old.to(image.device)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the stored images in their order."""
        return {"images": torch.stack(self._stored)} if self._stored else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self._stored = list(state["images"]) if state else []
