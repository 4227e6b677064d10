"""Values that move with training time, as functions of the number of real images seen."""

import math
from abc import ABC, abstractmethod

from ganforge.core.annotations import FractionBelowOne, NonNegative, Positive, ProperFraction
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width

__all__ = ["Constant", "ConstantThenLinear", "Cosine", "Exponential", "Growth", "Linear", "Schedule", "Step"]


class Schedule(ABC):
    """A function from images seen (over all ranks) to a value; pure, so that a checkpoint needs to hold none of it."""

    @abstractmethod
    def __call__(self, images_seen: int) -> float:
        """Return the value at ``images_seen``."""


class Constant(Schedule):
    """The same value for ever."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, images_seen: int) -> float:
        """See :class:`Schedule`."""
        return self.value


class _Ramp(Schedule):
    """From ``start`` to ``end`` between ``begin_kimg`` and ``end_kimg`` thousand images, constant outside."""

    def __init__(self, start: float, end: float, end_kimg: Positive, begin_kimg: NonNegative = 0.0) -> None:
        if not end_kimg > begin_kimg >= 0:
            raise GanforgeError(
                f"A {type(self).__name__} schedule needs end_kimg > begin_kimg >= 0, "
                f"got begin_kimg={begin_kimg}, end_kimg={end_kimg}."
            )
        self.start, self.end = start, end
        self.begin_kimg, self.end_kimg = begin_kimg, end_kimg

    def progress(self, images_seen: int) -> float:
        """Return the share of the ramp that lies behind, in [0, 1]."""
        share = (images_seen / 1000 - self.begin_kimg) / (self.end_kimg - self.begin_kimg)
        return min(max(share, 0.0), 1.0)


class Linear(_Ramp):
    """A straight line from ``start`` to ``end`` between ``begin_kimg`` and ``end_kimg``, constant outside."""

    def __call__(self, images_seen: int) -> float:
        """See :class:`Schedule`."""
        return self.start + (self.end - self.start) * self.progress(images_seen)


class ConstantThenLinear(Linear):
    """``start`` for a share of the run, then a straight line to 0 at its end: pix2pix's and CycleGAN's code.

    Args:
        start: the value at first.
        total_kimg: length of the run in thousands of images.
        constant: share of the run before the line begins: half in the papers, whose epochs are 100 and 100.
    """

    def __init__(self, start: float, total_kimg: Positive, constant: FractionBelowOne = 0.5) -> None:
        if not 0 <= constant < 1:
            raise GanforgeError(f"ConstantThenLinear: constant must be at least 0 and below 1, got {constant}.")
        super().__init__(start, 0.0, end_kimg=total_kimg, begin_kimg=constant * total_kimg)


class Cosine(_Ramp):
    """Half a cosine from ``start`` to ``end`` between ``begin_kimg`` and ``end_kimg``, constant outside."""

    def __call__(self, images_seen: int) -> float:
        """See :class:`Schedule`."""
        return self.end + (self.start - self.end) * 0.5 * (1 + math.cos(math.pi * self.progress(images_seen)))


class Step(Schedule):
    """``start``, multiplied by ``factor`` at each of ``at_kimg``."""

    def __init__(self, start: float, factor: float, at_kimg: list[NonNegative]) -> None:
        self.start, self.factor, self.at_kimg = start, factor, sorted(at_kimg)

    def __call__(self, images_seen: int) -> float:
        """See :class:`Schedule`."""
        passed = sum(images_seen >= kimg * 1000 for kimg in self.at_kimg)
        return float(self.start * self.factor**passed)


class Exponential(Schedule):
    """``start``, multiplied by ``factor`` in every ``every_kimg`` thousand images, evenly; never below ``least``."""

    def __init__(self, start: float, factor: float, every_kimg: float, least: float = 0.0) -> None:
        if not (factor > 0 and every_kimg > 0):
            raise GanforgeError(
                f"An Exponential schedule needs factor > 0 and every_kimg > 0, got {factor}, {every_kimg}."
            )
        self.start, self.factor, self.every_kimg, self.least = start, factor, every_kimg, least

    def __call__(self, images_seen: int) -> float:
        """See :class:`Schedule`."""
        return float(max(self.start * self.factor ** (images_seen / 1000 / self.every_kimg), self.least))


class Growth(Schedule):
    """ProGAN's level of detail: each resolution from 4 pixels up is trained, then the next one faded in.

    The paper trains 800 kimg and fades 800 kimg at each resolution (Karras et al. 2018, appendix A.1). With
    ``phase_kimg=None`` a phase's length follows from the whole: ``share`` of ``total_kimg`` is spent growing, in equal
    parts, the rest at full size.

    Args:
        image_size: full height and width in pixels, 4 times a power of two.
        total_kimg: length of the run in thousands of images.
        share: part of the run spent growing.
        phase_kimg: length of a phase in thousands of images, whatever the run's.
    """

    def __init__(
        self,
        image_size: ImageSize,
        total_kimg: Positive,
        share: ProperFraction = 0.5,
        phase_kimg: Positive | None = None,
    ) -> None:
        height, width = height_and_width(image_size)
        self.levels = height.bit_length() - 3
        if self.levels < 0 or 4 << self.levels != height or height != width:
            raise GanforgeError(f"Growth needs data.image_size to be 4, 8, 16, 32, ..., got {image_size}.")
        if not 0 < share < 1:
            raise GanforgeError(f"Growth: share must be between 0 and 1, got {share}.")
        if phase_kimg is not None and not phase_kimg > 0:
            raise GanforgeError(f"Growth: phase_kimg must be > 0 or null, got {phase_kimg}.")
        self.phase = share * total_kimg * 1000 / max(1, 2 * self.levels) if phase_kimg is None else phase_kimg * 1000

    def __call__(self, images_seen: int) -> float:
        """Return the level: ``log2(image_size / 4)`` at the start, 0 at full resolution."""
        number, within = divmod(images_seen / self.phase, 2)
        return max(0.0, self.levels - number - max(0.0, within - 1))
