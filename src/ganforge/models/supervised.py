"""A generator alone, trained on targets: what translation and super-resolution are compared with."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from ganforge.conditioning import Conditioning
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch, Split
from ganforge.data.module import DataModule
from ganforge.losses.step import Step, Term
from ganforge.models.base import AdversarialModule
from ganforge.models.phase import Losses, Phase
from ganforge.models.preflight import check_pairs
from ganforge.models.resumable import Stateful
from ganforge.networks.checks import require_two_inputs
from ganforge.networks.critique import NotGiven
from ganforge.sampling.sampler import Sampler

__all__ = ["Supervised"]


class Supervised(AdversarialModule):
    """A generator trained on terms alone, without a discriminator: L1 alone of pix2pix, SRResNet, ...

    Args:
        generator: of its condition; see :mod:`ganforge.networks`.
        conditioning: what it is conditioned on.
        terms: its losses by name, at least one; none may read a discriminator.
        **training: see :class:`AdversarialModule`; ``ema`` averages the generator.

    Raises:
        GanforgeError: if there is no term, or one that is lazy or the discriminator's.
    """

    generator_ema: nn.Module | None

    def __init__(
        self, *, generator: nn.Module, conditioning: Conditioning, terms: Mapping[str, Term], **training: Any
    ) -> None:
        super().__init__(**training)
        if not terms:
            raise GanforgeError("Without a discriminator a generator learns from terms: add term=[reconstruction].")
        for name, term in terms.items():
            if term.player != "generator" or term.every != 1:
                raise GanforgeError(
                    f"term.{name} is not a loss of the generator at each step, and there is no other player: leave it "
                    "out."
                )
        require_two_inputs("generator", generator)
        self.generator, self.conditioning, self.terms = generator, conditioning, dict(terms)
        self.average("generator", "generator")

    def players(self) -> dict[str, Sequence[nn.Module]]:
        """See :class:`AdversarialModule`."""
        return {"generator": [self.generator]}

    def stateful(self) -> Mapping[str, Stateful]:
        """See :class:`AdversarialModule`."""
        return self.terms

    def phases(self) -> Sequence[Phase]:
        """See :class:`AdversarialModule`."""
        return [Phase("generator", self.losses)]

    def losses(self, batch: Batch) -> Losses:
        """Return every term's value on a batch, weighted."""
        condition = self.conditioning(batch)
        fake = self.generator(None, condition)
        if fake.shape != batch.data.shape:
            raise GanforgeError(
                f"The generator returned samples of shape {tuple(fake.shape)} where the data's is "
                f"{tuple(batch.data.shape)}: all numbers must agree."
            )
        step = Step(
            player="generator",
            real=batch.data,
            make_fake=lambda: fake,
            latent=None,
            condition=condition,
            fake_condition=condition,
            discriminate=_no_discriminator,
            generate=self.generator,
            augment=nn.Identity(),
            networks={"generator": self.generator},
            images_seen=self.images_seen,
        )
        return Losses({name: term.weight * self._read(name, step) for name, term in self.terms.items()})

    def _read(self, name: str, step: Step) -> Tensor:
        try:
            return self.terms[name](step)
        except NotGiven as error:
            raise error.read_by(name) from error

    def samplers(self) -> dict[str, Sampler]:
        """See :class:`AdversarialModule`."""
        return {"generator": Sampler(self.generator, None, self.conditioning, self.modality_of(), self.generator_ema)}

    def check_data(self, train: Split) -> None:
        """See :class:`AdversarialModule`."""
        check_pairs(train, self.conditioning.key, self.terms)

    def bind(self, data: DataModule) -> None:
        """See :class:`AdversarialModule`."""
        super().bind(data)
        self.conditioning.bind(data.heldout)


def _no_discriminator(samples: Tensor, condition: Tensor | None) -> NoReturn:
    raise NotGiven("a discriminator", "this procedure", "choose one with a discriminator, such as model=pix2pix")
