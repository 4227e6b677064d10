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
        values: what each attribute can be, by its name; those whose names end alike are reported together.
        parse: returns the values that a caption states, by their attributes' names; ``None`` for another sentence.
        example: a caption.
        shared: attributes of which a picture may have two values at once.
    """

    values: dict[str, tuple[str, ...]]
    parse: Callable[[str], dict[str, str] | None]
    example: str
    shared: frozenset[str] = frozenset()

    @property
    def sizes(self) -> list[int]:
        """How many values each attribute has."""
        return [len(values) for values in self.values.values()]

    @property
    def kinds(self) -> dict[str, list[int]]:
        """Which attributes are reported together, by what their names end in."""
        endings = [name.rpartition("_")[2] for name in self.values]
        return {kind: [at for at, ending in enumerate(endings) if ending == kind] for kind in endings}

    def numbers(self, captions: Sequence[str]) -> Tensor:
        """Return which value of each attribute the captions state, ``(n, attributes)`` int64, -1 for none.

        Raises:
            GanforgeError: for a caption that states other things.
        """
        rows = []
        for caption in captions:
            stated = self.parse(caption.lower())
            if stated is None or any(value not in self.values[name] for name, value in stated.items()):
                raise GanforgeError(
                    f"A protocol measures what captions as '{self.example}' state, and one is '{caption[:60]}': "
                    "choose other data, or protocol=[offline]."
                )
            rows.append([known.index(stated[name]) if name in stated else -1 for name, known in self.values.items()])
        return torch.tensor(rows)


_SCENE = re.compile(r"an? (\w+) (\w+) (left of|right of|above|below) an? (\w+) (\w+)")
_ROBOT = re.compile(r"an? (\w+) robot with (.+) and (.+)")


def _scene(caption: str) -> dict[str, str] | None:
    """Return the axis, and colour and shape of what stands on either side of it; nothing of the other axis.

    One scene in ten is of both axes: what is left stands wholly above or below what is right, too.
    """
    if (found := _SCENE.fullmatch(caption)) is None:
        return None
    place, one, other = found[3], found.group(1, 2), found.group(4, 5)
    axis, sides = ("beside", ("left", "right")) if place.endswith("of") else ("above", ("upper", "lower"))
    if place in ("right of", "below"):
        one, other = other, one
    things = {f"{side}_{kind}": value for side, thing in zip(sides, (one, other), strict=True)
            for kind, value in zip(("colour", "shape"), thing, strict=True)}  # fmt: skip
    return {"place": axis, **things}


def _robot(caption: str) -> dict[str, str] | None:
    found = _ROBOT.fullmatch(caption)
    return None if found is None else dict(zip(("colour", "eyes", "accessory"), found.groups(), strict=True))


_THING = {"colour": ("red", "green", "blue", "yellow"), "shape": ("circle", "square", "triangle", "star")}

#: Kinds of captions by name: those of data=scenes and of data=robohash_text.
KINDS = {
    "scenes": Attributes(
        {
            "place": ("beside", "above"),
            **{f"{side}_{kind}": _THING[kind] for side in ("left", "right", "upper", "lower") for kind in _THING},
        },
        _scene,
        "a red circle left of a blue square",
        frozenset({"place"}),
    ),
    "robots": Attributes(
        {"colour": tuple(ROBOT_COLOURS), "eyes": EYES, "accessory": ACCESSORIES},
        _robot,
        "a green robot with a visor and a hat",
    ),
}
