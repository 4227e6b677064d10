"""The base of parts that act every so many thousand images."""

from ganforge.core.annotations import Positive
from ganforge.core.errors import GanforgeError
from ganforge.models.base import AdversarialModule

__all__ = ["Clocked"]


class Clocked:
    """A part that is due whenever the clock of images seen passes a multiple of ``every_kimg``, and at the end.

    This follows from the clock alone, so a resumed run acts where an uninterrupted one does.

    Args:
        every_kimg: thousands of images between two times.

    Raises:
        GanforgeError: if ``every_kimg`` is not above 0.
    """

    def __init__(self, every_kimg: Positive) -> None:
        if not every_kimg > 0:
            raise GanforgeError(f"{type(self).__name__}: every_kimg must be > 0, got {every_kimg}.")
        #: Images between two times.
        self.every = every_kimg * 1000

    def is_due(self, module: AdversarialModule) -> bool:
        """Whether the batch just trained on passed a multiple of ``every_kimg``, or was the last."""
        now, before = module.images_seen, module.images_seen - module.images_per_batch
        return now // self.every > before // self.every or now >= module.total_images
