"""What can be seen on the drawings of the package robohash, in words."""

from collections.abc import Mapping

from ganforge.data.robot_parts import COLOURS

__all__ = ["ACCESSORIES", "EYES", "VOCABULARY", "caption"]

#: Robots' eyes and accessories in words, in the order of their numbers.
EYES = (
    "angry eyes",
    "round eyes",
    "one red eye",
    "a red slit",
    "one lens",
    "red eyes",
    "yellow eyes",
    "a dark slit",
    "goggles",
    "a visor",
)
ACCESSORIES = (
    "a number",
    "a tube",
    "an antenna",
    "a lamp",
    "a dish",
    "a moustache",
    "a hat",
    "an aerial",
    "feathers",
    "a horn",
)
_KINDS = {"robots": "robot", "monsters": "monster", "heads": "robot head", "cats": "cat"}

#: Every word of the captions, in alphabetical order.
VOCABULARY = tuple(sorted({*" ".join([*COLOURS, *EYES, *ACCESSORIES, *_KINDS.values(), "a an with and"]).split()}))


def caption(name: str, colour: int, parts: Mapping[str, int]) -> str:
    """Return a sentence about a drawing: "a green robot with a visor and a hat", "a cat".

    Args:
        name: of the set, out of :data:`~ganforge.data.robot_parts.SETS`.
        colour: a robot's place in :data:`~ganforge.data.robot_parts.COLOURS`.
        parts: which part each layer has, from 0 on.
    """
    if name != "robots":
        return f"a {_KINDS[name]}"
    article = "an" if COLOURS[colour] == "orange" else "a"
    return f"{article} {COLOURS[colour]} robot with {EYES[parts['Eyes']]} and {ACCESSORIES[parts['Accessory']]}"
