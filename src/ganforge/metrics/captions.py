"""What captions of the drawn datasets say, attribute by attribute."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.robot_captions import ACCESSORIES, EYES
from ganforge.data.robot_parts import COLOURS as ROBOT_COLOURS

__all__ = ["KINDS", "Attributes"]


@dataclass(frozen=True)
class Attributes:
    """The attributes of one kind of caption.

    Attributes:
        values: what each attribute can be, by its name; several attributes may be reported together by the part of
            their names after ``_``.
        parse: returns the values that a caption states, in the order of ``values``; ``None`` for another sentence.
    """

    values: dict[str, tuple[str, ...]]
    parse: Callable[[str], Sequence[str] | None]

    @property
    def sizes(self) -> list[int]:
        """How many values each attribute has."""
        return [len(values) for values in self.values.values()]

    def numbers(self, captions: Sequence[str]) -> Tensor:
        """Return which value of each attribute the captions state, ``(n, attributes)`` int64.

        Raises:
            GanforgeError: for a caption that states other things.
        """
        rows = []
        for caption in captions:
            stated = self.parse(caption.lower())
            if stated is None or any(
                value not in known for value, known in zip(stated, self.values.values(), strict=True)
            ):
                raise GanforgeError(
                    f"A protocol measures what captions as '{_EXAMPLES[self]}' state, and one is '{caption[:60]}': "
                    "choose other data, or protocol=[offline]."
                )
            rows.append([known.index(value) for value, known in zip(stated, self.values.values(), strict=True)])
        return torch.tensor(rows)

    def __hash__(self) -> int:
        return hash(tuple(self.values))


_SCENE = re.compile(r"an? (\w+) (\w+) (left of|right of|above|below) an? (\w+) (\w+)")
_ROBOT = re.compile(r"an? (\w+) robot with (.+) and (.+)")


def _scene(caption: str) -> Sequence[str] | None:
    """Return the axis and then colour and shape of the left or upper thing, and of the other one.

    "A above B" and "B below A" are the same picture.
    """
    if (found := _SCENE.fullmatch(caption)) is None:
        return None
    *one, place, third, fourth = found.groups()
    other = [third, fourth]
    first, second = (other, one) if place in ("right of", "below") else (one, other)
    return ["beside" if place.endswith("of") else "above", *first, *second]


def _robot(caption: str) -> Sequence[str] | None:
    found = _ROBOT.fullmatch(caption)
    return None if found is None else found.groups()


_COLOURS, _SHAPES = ("red", "green", "blue", "yellow"), ("circle", "square", "triangle", "star")

#: Kinds of captions by name: those of data=scenes and of data=robohash_text.
KINDS = {
    "scenes": Attributes(
        {
            "place": ("beside", "above"),
            "first_colour": _COLOURS,
            "first_shape": _SHAPES,
            "second_colour": _COLOURS,
            "second_shape": _SHAPES,
        },
        _scene,
    ),
    "robots": Attributes({"colour": tuple(ROBOT_COLOURS), "eyes": EYES, "accessory": ACCESSORIES}, _robot),
}
_EXAMPLES = {
    KINDS["scenes"]: "a red circle left of a blue square",
    KINDS["robots"]: "a green robot with a visor and a hat",
}
