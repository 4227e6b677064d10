"""An adversarial loss whose two players' losses have weights."""

from torch import Tensor

from ganforge.core.annotations import Positive
from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import AdversarialLoss, NonSaturating

__all__ = ["Weighted"]


class Weighted(AdversarialLoss):
    """Another loss, that of each player multiplied: where a paper weighs it against other terms.

    pix2pix halves the discriminator's loss, "which slows down the rate at which D learns relative to G" (Isola et al.
    2017, section 3.3).

    Args:
        form: the loss; ``None`` is ``NonSaturating()``.
        discriminator_weight, generator_weight: multiply the players' losses; above 0.

    Raises:
        GanforgeError: if a weight is out of its range, or ``form`` adapts itself.
    """

    def __init__(
        self,
        form: AdversarialLoss | None = None,
        *,
        discriminator_weight: Positive = 1.0,
        generator_weight: Positive = 1.0,
    ) -> None:
        form = NonSaturating() if form is None else form
        weights = {"discriminator_weight": discriminator_weight, "generator_weight": generator_weight}
        for name, weight in weights.items():
            if not 0 < weight < float("inf"):
                raise GanforgeError(f"Weighted: {name} must be a finite number above 0, got {weight}.")
        if form.adapts:
            raise GanforgeError(
                f"Weighted: {type(form).__name__} adapts to what it has seen and has no weights: use it by itself."
            )
        self.form, self.needs_real = form, form.needs_real
        self.discriminator_weight, self.generator_weight = discriminator_weight, generator_weight

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return self.discriminator_weight * self.form.discriminator(real, fake)

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """See :class:`AdversarialLoss`."""
        return self.generator_weight * self.form.generator(fake, real)
