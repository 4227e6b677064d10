"""Checks of the arguments that networks are built from, and of the labels that they get."""

import inspect
from collections.abc import Iterable, Mapping
from typing import TypeVar

from torch import Tensor, nn

from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize, height_and_width

__all__ = ["require_labels", "require_positive", "require_sides", "require_two_inputs", "shape_for", "square"]

Shape = TypeVar("Shape")


def square(image_size: ImageSize, owner: str) -> int:
    """Return the side of square images in pixels.

    Args:
        image_size: see :func:`~ganforge.data.images.height_and_width`.
        owner: the network option, such as ``network=dcgan``.

    Raises:
        GanforgeError: for a rectangle.
    """
    if isinstance(image_size, int):
        return image_size  # networks themselves say which sides they take
    height, width = height_and_width(image_size)
    if height != width:
        raise GanforgeError(
            f"{owner} takes square images, and data.image_size is {height} x {width}: set one number of pixels, or "
            "choose network=mlp or network=sndcgan, which take rectangles."
        )
    return height


def shape_for(owner: str, shapes: Mapping[int, Shape], image_size: int) -> Shape:
    """Return the network's shape for ``image_size`` pixels; GanforgeError names the sizes there are."""
    if image_size not in shapes:
        valid = ", ".join(str(size) for size in shapes)
        raise GanforgeError(f"{owner}: no shape for image_size={image_size}; choose image_size from {valid}.")
    return shapes[image_size]


def require_positive(owner: str, **counts: int | None) -> None:
    """Raise GanforgeError for a count below 1; ``None`` stands for absence and passes."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise GanforgeError(f"{owner}: {name} must be a whole number >= 1, got {count}.")


def require_two_inputs(player: str, network: nn.Module) -> None:
    """Raise GanforgeError for a network that cannot be called with a condition beside its input."""
    signature = inspect.signature(network.forward)
    try:
        signature.bind(None, None)
    except TypeError:
        first = "latent" if player == "generator" else "samples"
        raise GanforgeError(
            f"The {player} {type(network).__module__}.{type(network).__qualname__} has forward{signature} and is "
            f"called with ({first}, condition): define forward(self, {first}, condition=None)."
        ) from None


def require_sides(owner: str, attention: Iterable[int], sides: Iterable[int]) -> None:
    """Raise GanforgeError where ``attention`` asks for a side in pixels that is not in ``sides``."""
    valid = list(sides)
    for side in attention:
        if side not in valid:
            raise GanforgeError(f"{owner}: attention={side} meets no feature map; choose sides from {valid}.")


def require_labels(owner: object, condition: Tensor | None) -> Tensor:
    """Return ``condition``; GanforgeError if it is ``None`` though the network was built with classes."""
    if condition is None:
        raise GanforgeError(
            f"{type(owner).__module__}.{type(owner).__name__} was built with classes but got no labels; "
            "give labels, or build it with classes=null."
        )
    return condition
