"""What terms share: bases for one player, and reading what may be absent."""

from typing import TypeVar

from ganforge.core.errors import GanforgeError
from ganforge.losses.step import Player, Term

__all__ = ["DiscriminatorTerm", "GeneratorTerm", "present"]

T = TypeVar("T")


def present(term: Term, name: str, value: T | None) -> T:
    """Return ``value``, which ``term`` cannot do without.

    Raises:
        GanforgeError: if it is ``None``.
    """
    if value is None:
        raise GanforgeError(
            f"{type(term).__name__}: it reads {name}, which this run does not compute; choose a network and "
            "a conditioning that give it, or leave the term out."
        )
    return value


class DiscriminatorTerm(Term):
    """A term without meaning in the generator's loss; takes :class:`Term`'s arguments.

    Raises:
        GanforgeError: if ``player`` is the generator.
    """

    def __init__(self, *, weight: float, every: int = 1, player: Player = "discriminator") -> None:
        if player == "generator":
            raise GanforgeError(
                f"{type(self).__name__}: it acts on the discriminator alone; set player to 'discriminator' "
                "or leave the term out."
            )
        super().__init__(weight=weight, every=every, player=player)


class GeneratorTerm(Term):
    """A term without meaning in the discriminator's loss; takes :class:`Term`'s arguments.

    Raises:
        GanforgeError: if ``player`` is the discriminator.
    """

    def __init__(self, *, weight: float, every: int = 1, player: Player = "generator") -> None:
        if player == "discriminator":
            raise GanforgeError(
                f"{type(self).__name__}: it acts on the generator alone; set player to 'generator' or leave "
                "the term out."
            )
        super().__init__(weight=weight, every=every, player=player)
