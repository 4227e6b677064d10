"""ADA's augmentation pipe: fifteen random transformations, each applied with a probability that adapts."""

from collections.abc import Callable, Mapping, Sequence
from math import pi, sqrt
from typing import Annotated

import torch
from torch import Tensor

from ganforge.augment.adaptive import Adaptive
from ganforge.augment.base import require_images
from ganforge.augment.wavelets import BANDS, equalise, warp
from ganforge.core.annotations import Bounds, Count, Fraction, NonNegative, Positive
from ganforge.core.errors import GanforgeError

__all__ = ["Ada", "preset_strengths"]

_GROUPS: dict[str, tuple[str, ...]] = {
    "blit": ("x_flip", "rotate90", "integer_translation"),
    "geom": ("scale", "rotation", "anisotropy", "fractional_translation"),
    "color": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
    "filter": ("filter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
}
# Names of the paper's cumulative settings are the groups' initials: bg, bgc, bgcf, bgcfn, bgcfnc.
_PRESETS: dict[str, tuple[str, ...]] = {
    **{group: (group,) for group in _GROUPS},
    **{"".join(group[0] for group in tuple(_GROUPS)[:k]): tuple(_GROUPS)[:k] for k in range(2, 7)},
}
_RANGES: dict[str, float] = {
    "integer_translation": 0.125,
    "scale": 0.2,
    "rotation": 1.0,
    "anisotropy": 0.2,
    "fractional_translation": 0.125,
    "brightness": 0.2,
    "contrast": 0.5,
    "hue": 1.0,
    "saturation": 1.0,
    "filter": 1.0,
    "noise": 0.1,
    "cutout": 0.5,
}
# Colour maps by rows: a pixel's grey part, the chroma that remains, and that chroma a quarter turn of hue on.
_GREY = [1 / 3] * 9
_CHROMA = [2 / 3, -1 / 3, -1 / 3, -1 / 3, 2 / 3, -1 / 3, -1 / 3, -1 / 3, 2 / 3]
_TURNED = [value / sqrt(3) for value in (0, -1, 1, 1, 0, -1, -1, 1, 0)]


def preset_strengths(name: str) -> dict[str, float]:
    """Return the strengths, 1 or 0 by name, of one of the settings that the paper compares (figure 4).

    Args:
        name: ``blit``, ``geom``, ``color``, ``filter``, ``noise``, ``cutout``, or the first of these taken
            together, ``bg``, ``bgc``, ``bgcf``, ``bgcfn``, ``bgcfnc``.
    """
    if name not in _PRESETS:
        raise GanforgeError(f"Ada: preset '{name}' is unknown, choose one of {', '.join(_PRESETS)}.")
    return {key: float(group in _PRESETS[name]) for group, keys in _GROUPS.items() for key in keys}


class Ada(Adaptive):
    """The augmentation pipe of ADA, stochastic and differentiable.

    From "Training generative adversarial networks with limited data" (Karras et al. 2020a, appendix B). Each
    transformation is drawn for each image by itself, with probability ``p`` times its strength. In order,
    with what ``ranges`` sets and its default in brackets:

    * ``x_flip``, in half of the draws; ``rotate90``, by 0 to 3 quarter turns (square images only, others are refused);
      ``integer_translation``, uniform up to [1/8 of the size], to whole pixels;
    * ``scale``, log-normal, log2 deviation [0.2]; ``rotation``, uniform up to [1] half turn to either side,
      before and after anisotropic scaling, either with probability p; ``anisotropy``, log-normal [0.2];
      ``fractional_translation``, normal, [1/8 of the size];
    * ``brightness``, normal [0.2]; ``contrast``, log-normal [0.5]; ``luma_flip``, in half of the draws;
      ``hue``, uniform up to [1] half turn; ``saturation``, log-normal [1]; the last two leave grey images
      alone;
    * ``filter``: amplifies each of four frequency bands, log-normal [1], at constant expected power;
    * ``noise``: its deviation is half-normal [0.1];
    * ``cutout``: zeroes a box of [1/2 of the size] on each axis, centre uniform.

    Autocast is off inside: all is computed in float32. Output has the input's dtype, and may leave [-1, 1].

    Deviations: flips and quarter turns move pixels as they are, where the official code resamples them with
    the rest. Images that drew no geometric transformation are not resampled. Filtering reflects images of any
    size, where the official code needs more than 21 pixels.

    Args:
        preset: which strengths are 1, see :func:`preset_strengths`; ``None`` for none.
        strengths: probability multipliers in [0, 1] by name, over those of the preset; 0 disables.
        ranges: magnitudes by name, over the defaults above.
        filter_bands: multipliers of ``filter``'s strength for its four bands, lowest first.
        p, target, speed_kimg, interval: see :class:`Adaptive`.
    """

    def __init__(
        self,
        preset: str | None = "bgc",
        *,
        strengths: Mapping[str, Fraction] | None = None,
        ranges: Mapping[str, NonNegative] | None = None,
        filter_bands: Sequence[Fraction] = (1, 1, 1, 1),
        p: Fraction = 0.0,
        target: Annotated[float, Bounds(above=-1, below=1)] | None = 0.6,
        speed_kimg: Positive = 500.0,
        interval: Count = 4,
    ) -> None:
        super().__init__(p=p, target=target, speed_kimg=speed_kimg, interval=interval)
        names = [name for group in _GROUPS.values() for name in group]
        base = dict.fromkeys(names, 0.0) if preset is None else preset_strengths(preset)
        self.strengths = _updated("strengths", base, strengths)
        self.ranges = _updated("ranges", _RANGES, ranges)
        if max(self.strengths.values()) > 1:
            raise GanforgeError(f"Ada: strengths scale a probability, give values up to 1, got {strengths}.")
        if len(filter_bands) != BANDS or not all(0 <= band <= 1 for band in filter_bands):
            raise GanforgeError(f"Ada: give filter_bands {BANDS} values from 0 to 1, got {list(filter_bands)}.")
        self.filter_bands = [float(band) for band in filter_bands]

    def forward(self, images: Tensor) -> Tensor:
        """See :class:`~ganforge.augment.base.Augment`."""
        require_images("augment=ada", images)
        channels, height, width = images.shape[1:]
        if channels not in (1, 3):
            raise GanforgeError(f"Ada: images have {channels} channels, not 1 or 3; use DiffAugment.")
        if height != width and self.strengths["rotate90"]:
            raise GanforgeError(
                f"Ada: rotate90 turns square images, and these are {height} x {width}; set "
                "+augment.strengths.rotate90=0."
            )
        with torch.autocast(images.device.type, enabled=False):
            augmented = images.to(torch.promote_types(images.dtype, torch.float32))
            for stage, names in self._stages():
                if any(self.strengths[name] for name in names):
                    augmented = stage(augmented)
            return augmented.to(images.dtype)

    def _stages(self) -> tuple[tuple[Callable[[Tensor], Tensor], tuple[str, ...]], ...]:
        """What is applied, in order, and the transformations that each does together."""
        return (
            (self._flip_and_turn, ("x_flip", "rotate90")),
            (self._warp, ("integer_translation", *_GROUPS["geom"])),
            (self._color, _GROUPS["color"]),
            (self._filter, _GROUPS["filter"]),
            (self._noise, _GROUPS["noise"]),
            (self._cutout, _GROUPS["cutout"]),
        )

    def _sometimes(self, name: str, values: Tensor, neutral: float) -> Tensor:
        """``values``, one an image along the first axis, and ``neutral`` for the images that are not drawn."""
        return _toss(self.strengths[name] * self.p, values, neutral)

    def _log_normal(self, name: str, images: Tensor) -> Tensor:
        return self._sometimes(name, torch.exp2(self.ranges[name] * _normal(images)), 1)

    def _flip_and_turn(self, images: Tensor) -> Tensor:
        flips = torch.randint(0, 2, (len(images), 1, 1, 1), device=images.device)
        images = torch.where(self._sometimes("x_flip", flips, 0) == 1, images.flip(3), images)
        if self.strengths["rotate90"]:
            turns = torch.randint(0, 4, (len(images), 1, 1, 1), device=images.device)
            turns = self._sometimes("rotate90", turns, 0)
            images = torch.where(turns >= 2, images.flip(2, 3), images)
            images = torch.where(turns % 2 == 1, images.rot90(1, (2, 3)), images)
        return images

    def _warp(self, images: Tensor) -> Tensor:
        size = images.new_tensor([images.shape[3], images.shape[2]])
        whole = (uniform(images, 2) * self.ranges["integer_translation"] * size).round()
        whole = self._sometimes("integer_translation", whole, 0)
        scale = self._log_normal("scale", images)
        either = 1 - (1 - self.strengths["rotation"] * self.p).sqrt()  # so that one or both happen with p
        angles = [uniform(images) * self.ranges["rotation"] * pi for _ in range(2)]
        first, second = (_rotation(_toss(either, angle, 0)) for angle in angles)
        stretch = self._log_normal("anisotropy", images)
        shift = _normal(images, 2) * self.ranges["fractional_translation"] * size
        shift = self._sometimes("fractional_translation", shift, 0)

        # From output to input: the transformations' inverses, the last one first.
        squeeze = torch.stack([1 / stretch, stretch], dim=1)
        matrix = (first * squeeze.unsqueeze(1)) @ second / scale.view(-1, 1, 1)
        offset = -(matrix @ shift.unsqueeze(2)).squeeze(2) - whole
        moved = (matrix != torch.eye(2, device=images.device)).flatten(1).any(dim=1) | (offset != 0).any(dim=1)
        index = moved.nonzero().squeeze(1)
        if not len(index):
            return images
        return images.index_copy(0, index, warp(images[index], matrix[index], offset[index]))

    def _color(self, images: Tensor) -> Tensor:
        brightness = self._sometimes("brightness", _normal(images) * self.ranges["brightness"], 0)
        contrast = self._log_normal("contrast", images)
        flips = torch.randint(0, 2, (len(images),), device=images.device)
        grey = contrast * (1 - 2 * self._sometimes("luma_flip", flips, 0))
        offset = (grey * brightness).view(-1, 1, 1, 1)
        if images.shape[1] == 1:
            return images * grey.view(-1, 1, 1, 1) + offset
        angle = self._sometimes("hue", uniform(images) * self.ranges["hue"] * pi, 0)
        chroma = contrast * self._log_normal("saturation", images)
        parts = torch.stack([grey, chroma * angle.cos(), chroma * angle.sin()], dim=1)
        matrix = (parts @ images.new_tensor([_GREY, _CHROMA, _TURNED])).view(-1, 3, 3)
        return (matrix @ images.flatten(2)).view_as(images) + offset

    def _filter(self, images: Tensor) -> Tensor:
        power = images.new_tensor([10, 1, 1, 1]) / 13  # of natural images, expected in each band (1/f)
        gains = torch.exp2(self.ranges["filter"] * _normal(images, BANDS))
        strength = self.strengths["filter"] * images.new_tensor(self.filter_bands)
        gains = torch.where(torch.rand_like(gains) < strength * self.p, gains, 1)
        # Each band alone makes the expected power 1 + power (gain^2 - 1), and is normalised by itself.
        norm = (1 + power * (gains.square() - 1)).sqrt().prod(dim=1, keepdim=True)
        return equalise(images, gains / norm)

    def _noise(self, images: Tensor) -> Tensor:
        sigma = self._sometimes("noise", _normal(images, 1, 1, 1).abs() * self.ranges["noise"], 0)
        return images + sigma * torch.randn_like(images)

    def _cutout(self, images: Tensor) -> Tensor:
        box = self._sometimes("cutout", images.new_full((len(images), 1), self.ranges["cutout"]), 0)
        rows, columns = (
            ((torch.arange(size, device=images.device) + 0.5) / size - torch.rand_like(box)).abs() < box / 2
            for size in images.shape[2:]
        )
        return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


def _updated(argument: str, defaults: dict[str, float], values: Mapping[str, float] | None) -> dict[str, float]:
    values = values or {}
    for name, value in values.items():
        if name not in defaults:
            raise GanforgeError(f"Ada: {argument} has no '{name}', choose from {', '.join(defaults)}.")
        if not 0 <= value < float("inf"):
            raise GanforgeError(f"Ada: {argument}.{name} must be a finite number >= 0, got {value}.")
    return defaults | {name: float(value) for name, value in values.items()}


def _toss(chance: Tensor, values: Tensor, neutral: float) -> Tensor:
    heads = torch.rand(len(values), device=values.device) < chance
    return torch.where(heads.view(-1, *[1] * (values.ndim - 1)), values, neutral)


def _normal(images: Tensor, *shape: int) -> Tensor:
    return torch.randn(len(images), *shape, dtype=images.dtype, device=images.device)


def uniform(images: Tensor, *shape: int) -> Tensor:
    return torch.rand(len(images), *shape, dtype=images.dtype, device=images.device) * 2 - 1


def _rotation(angle: Tensor) -> Tensor:
    """``(n, 2, 2)`` rotations by ``(n,)`` radians."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([cosine, -sine, sine, cosine], dim=1).view(-1, 2, 2)
