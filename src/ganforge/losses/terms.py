"""Bases of terms that are for one player alone."""

from dataclasses import dataclass

from ganforge.core.errors import GanforgeError
from ganforge.losses.step import Player, Term

__all__ = ["DiscriminatorTerm", "GeneratorTerm"]


@dataclass(kw_only=True, eq=False)
class DiscriminatorTerm(Term):
    """A term without meaning in the generator's loss; takes :class:`Term`'s arguments.

    Raises:
        GanforgeError: if ``player`` is the generator.
    """

    def __post_init__(self) -> None:
        if self.player == "generator":
            raise GanforgeError(
                f"{type(self).__name__}: it acts on the discriminator alone; set player to 'discriminator' "
                "or leave the term out."
            )
        super().__post_init__()


@dataclass(kw_only=True, eq=False)
class GeneratorTerm(Term):
    """A term without meaning in the discriminator's loss; takes :class:`Term`'s arguments.

    Raises:
        GanforgeError: if ``player`` is the discriminator.
    """

    player: Player = "generator"

    def __post_init__(self) -> None:
        if self.player == "discriminator":
            raise GanforgeError(
                f"{type(self).__name__}: it acts on the generator alone; set player to 'generator' or leave "
                "the term out."
            )
        super().__post_init__()
