"""A GAN whose generator faces other weights of the discriminator than its present ones."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor
from torch.func import functional_call

from ganforge.data.columns import Batch
from ganforge.losses.step import Step
from ganforge.models.gan import GAN
from ganforge.networks.critique import Critique

__all__ = ["StandInGAN"]


class StandInGAN(GAN):
    """:class:`GAN` whose generator is judged by a stand-in for the discriminator; takes its arguments.

    Nothing of the discriminator changes in that phase, buffers included. Lazy terms of the generator see the
    discriminator itself, as do terms on its weights.
    """

    @abstractmethod
    def stand_in(self, step: Step) -> dict[str, Tensor]:
        """Return the stand-in's parameters by name; they may depend on ``step.fake``."""

    def _judge(self, weights: Mapping[str, Tensor]) -> Callable[[Tensor, Tensor | None], Critique]:
        """Return the discriminator with ``weights`` for parameters and copies for buffers."""
        buffers = {name: buffer.clone() for name, buffer in self.discriminator.named_buffers()}

        def discriminate(images: Tensor, condition: Tensor | None) -> Critique:
            inputs = self.augment(images), condition
            critique: Critique = functional_call(self.discriminator, {**buffers, **weights}, inputs)
            return critique

        return discriminate

    def _generator_losses(self, batch: Batch) -> dict[str, Tensor]:
        step = self._step("generator", batch, judge_real=False, judge_fake=False)
        weights = self.stand_in(step)
        discriminate = self._judge(weights)
        fake = discriminate(step.fake, step.fake_condition)
        judge_real = self.loss.needs_real or self._needs("generator", "real_critique")
        real = discriminate(step.real, step.condition) if judge_real else None
        step = replace(step, discriminate=discriminate, stand_in=weights, fake_critique=fake, real_critique=real)
        adversarial = self.loss.generator(fake.logits, None if real is None else real.logits)
        return {"adversarial": adversarial, **self._prompt_terms(step)}
