"""The controller that ADA and APA share: a probability that follows the discriminator's overfitting."""

from typing import Annotated

import torch
from torch import Tensor, distributed

from ganforge.augment.base import Augment
from ganforge.core.annotations import Bounds, Count, Fraction, Positive
from ganforge.core.errors import GanforgeError

__all__ = ["Adaptive"]


class Adaptive(Augment):
    """An augmentation of probability ``p`` that rises while the discriminator overfits and falls otherwise.

    Every ``interval`` discriminator steps, the heuristic ``r_t = E[sign(D(real))]`` over those steps and over
    all ranks is compared with ``target``, and ``p`` moves by the images seen meanwhile over ``1000
    speed_kimg``, up where ``r_t`` is larger (Karras et al. 2020, "Training generative adversarial networks
    with limited data", section 3).

    Deviation: the official code bounds ``p`` by 0 alone, so that it may wind up beyond 1; here it stays in
    [0, 1].

    Args:
        p: the initial probability in [0, 1], or the fixed one where ``target`` is ``None``. A schedule may
            write the buffer ``p`` instead.
        target: of the heuristic, in (-1, 1); ``None`` leaves ``p`` alone.
        speed_kimg: thousands of real images in which ``p`` can move from 0 to 1.
        interval: discriminator steps between two adjustments.
    """

    p: Tensor
    heuristic: Tensor
    signs: Tensor
    pending_images: Tensor
    steps: Tensor

    def __init__(
        self,
        *,
        p: Fraction = 0.0,
        target: Annotated[float, Bounds(above=-1, below=1)] | None = 0.6,
        speed_kimg: Positive = 500.0,
        interval: Count = 4,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 <= p <= 1:
            raise GanforgeError(f"{name}: p is a probability, give a value from 0 to 1, got {p}.")
        if target is not None and not -1 < target < 1:
            raise GanforgeError(f"{name}: target is a mean of signs, give a value between -1 and 1, got {target}.")
        if not speed_kimg > 0 or interval < 1:
            raise GanforgeError(
                f"{name}: p needs time to move, give speed_kimg > 0 and interval >= 1, got {speed_kimg} and {interval}."
            )
        self.target = target
        self.speed_kimg = speed_kimg
        self.interval = interval
        self.register_buffer("p", torch.tensor(float(p)))
        self.register_buffer("heuristic", torch.tensor(0.0))  # r_t at the last adjustment
        self.register_buffer("signs", torch.zeros(2))  # sum and count of signs since the last adjustment
        self.register_buffer("pending_images", torch.tensor(0))  # since the last adjustment
        self.register_buffer("steps", torch.tensor(0))  # since the start

    @torch.no_grad()
    def observe(self, real_logits: Tensor, images: int) -> None:
        """See :class:`Augment`; a collective call where ranks exist. Never waits for the device."""
        if self.target is None:
            return
        signs = torch.stack([real_logits.float().sign().sum(), self.signs.new_tensor(real_logits.numel())])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(signs)
        self.signs += signs
        self.pending_images += images
        self.steps += 1

        due = self.steps % self.interval == 0
        heuristic = self.signs[0] / self.signs[1]
        change = (heuristic - self.target).sign() * self.pending_images / (1000 * self.speed_kimg)
        self.heuristic.copy_(torch.where(due, heuristic, self.heuristic))
        self.p.copy_(torch.where(due, (self.p + change).clamp(0, 1), self.p))
        self.signs.masked_fill_(due, 0)
        self.pending_images.masked_fill_(due, 0)

    def scalars(self) -> dict[str, Tensor]:
        """``<class>_p``; and ``<class>_heuristic``, r_t at the last adjustment, where ``p`` adapts."""
        name = type(self).__name__.lower()
        scalars = {f"{name}_p": self.p}
        return scalars if self.target is None else scalars | {f"{name}_heuristic": self.heuristic}
