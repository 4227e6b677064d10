"""The base of augmentations, the identity, and composition."""

from collections.abc import Callable, Sequence
from typing import Self

from torch import Tensor, nn

from ganforge.core.errors import GanforgeError

__all__ = ["Augment", "Compose", "Identity", "require_images"]


def require_images(owner: str, samples: Tensor) -> None:
    """Raise GanforgeError where samples are no ``(n, c, h, w)`` images."""
    if samples.ndim != 4:
        shape = " x ".join(map(str, samples.shape[1:]))
        raise GanforgeError(f"{owner}: it changes images, and samples are {shape} numbers; leave it out.")


class Augment(nn.Module):
    """A differentiable augmentation of the discriminator's input; every default changes nothing.

    The loop passes all samples, real and generated, in every phase, through ``forward``; real ones alone, in
    the discriminator's phases, first through :meth:`pseudo`; and calls :meth:`observe` after each
    discriminator step.

    Subclasses hold no parameters, and what adapts is a buffer, so that it is in checkpoints. Buffers move
    between devices but keep their dtype: in bfloat16 a probability above 1/8 would swallow its own updates.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(n, ...)`` samples, of images those in [-1, 1], to samples of the same shape and dtype.

        Raises:
            GanforgeError: for samples of a kind or shape that it cannot change.
        """
        return images

    def pseudo(self, real: Tensor, make_fake: Callable[[], Tensor]) -> Tensor:
        """Return the input of the discriminator's real branch in place of ``real``.

        Args:
            real: ``(n, ...)`` samples of the data set.
            make_fake: returns as many generated ones, of the real ones' conditions where there are any.
        """
        return real

    def observe(self, real_logits: Tensor, images: int) -> None:
        """Adapt to a discriminator step that was just made.

        Args:
            real_logits: ``(m,)`` detached logits of this rank's real branch, high for real.
            images: how many real images the step used over all ranks.
        """

    def scalars(self) -> dict[str, Tensor]:
        """Return the current strengths by name, as scalar tensors, for logging."""
        return {}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(lambda buffer: buffer.to(fn(buffer).device), recurse)  # type: ignore[no-untyped-call]
        return self


class Identity(Augment):
    """No augmentation."""


class Compose(Augment):
    """Several augmentations, applied in order.

    Args:
        stages: the augmentations; all observe every step, and all may replace real images.
    """

    def __init__(self, stages: Sequence[Augment]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def _stages(self) -> list[Augment]:
        return [stage for stage in self.stages if isinstance(stage, Augment)]

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`Augment`."""
        for stage in self._stages():
            images = stage(images)
        return images

    def pseudo(self, real: Tensor, make_fake: Callable[[], Tensor]) -> Tensor:
        """See :class:`Augment`."""
        for stage in self._stages():
            real = stage.pseudo(real, make_fake)
        return real

    def observe(self, real_logits: Tensor, images: int) -> None:
        """See :class:`Augment`."""
        for stage in self._stages():
            stage.observe(real_logits, images)

    def scalars(self) -> dict[str, Tensor]:
        """All stages' scalars; a name that an earlier stage has taken gets the stage's position as suffix."""
        scalars: dict[str, Tensor] = {}
        for position, stage in enumerate(self._stages()):
            for name, value in stage.scalars().items():
                scalars[f"{name}_{position}" if name in scalars else name] = value
        return scalars
