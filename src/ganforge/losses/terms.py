"""Bases of terms that are for one player alone."""

from dataclasses import dataclass
from typing import ClassVar

from ganforge.core.errors import GanforgeError
from ganforge.losses.step import Player, Term

__all__ = ["DiscriminatorTerm", "GeneratorTerm"]


@dataclass(kw_only=True, eq=False)
class _OnePlayerTerm(Term):
    only: ClassVar[Player]

    def __post_init__(self) -> None:
        if self.player != self.only:
            raise GanforgeError(
                f"{type(self).__name__}: it acts on the {self.only} alone; set player to '{self.only}' or leave the "
                "term out."
            )
        super().__post_init__()


@dataclass(kw_only=True, eq=False)
class DiscriminatorTerm(_OnePlayerTerm):
    """A term without meaning in the generator's loss; takes :class:`Term`'s arguments.

    Raises:
        GanforgeError: if ``player`` is the generator.
    """

    only = "discriminator"


@dataclass(kw_only=True, eq=False)
class GeneratorTerm(_OnePlayerTerm):
    """A term without meaning in the discriminator's loss; takes :class:`Term`'s arguments.

    Raises:
        GanforgeError: if ``player`` is the discriminator.
    """

    only = "generator"
    player: Player = "generator"
