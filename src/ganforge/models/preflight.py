"""Refuse, before data is touched, combinations that compose but cannot work."""

import copy

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError, first_line
from ganforge.data.columns import Batch
from ganforge.models.base import AdversarialModule
from ganforge.models.manual_loop import ManualLoop

__all__ = ["check_condition_is_read", "check_networks", "preflight"]


def preflight(module: AdversarialModule, batch: Batch) -> None:
    """Compute every phase's losses once, on a copy of the module and an example batch; the module stays unchanged.

    Args:
        module: what is to be trained.
        batch: a few samples of the right shape with labels where the dataset has them; on the CPU.

    Raises:
        GanforgeError: in one sentence that names what does not fit and a way out.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        probe = copy.deepcopy(module)
        where = "its setup"
        try:
            ManualLoop(probe)  # optimizers and schedules are built too
            _check_samplers(probe, batch)
            probe.check(batch)
            for phase in probe.phases():
                where = f"the {phase.player}'s losses"
                phase.before()
                phase.losses(batch)
        except GanforgeError:
            raise
        except Exception as error:
            raise GanforgeError(
                f"A first step fails in {where} ({first_line(error)}): choose another loss, term, augment or network, "
                "or add debug=true for the trace."
            ) from error


def _check_samplers(module: AdversarialModule, batch: Batch) -> None:
    """Refuse samplers without any input, and those that need a column that the dataset does not have."""
    for name, sampler in module.samplers().items():
        if sampler.latent is None and sampler.conditioning is None:
            raise GanforgeError(
                f"The sampler '{name}' has neither a latent nor a condition to draw from: give it one of them."
            )
        if sampler.conditioning is not None:
            sampler.conditioning(batch)  # says which column is missing
        if sampler.target is not None and sampler.target not in batch.given:
            there = ", ".join(sorted(batch.given)) or "none"
            raise GanforgeError(
                f"The sampler '{name}' draws samples of the dataset's column '{sampler.target}', and it has {there}: "
                "choose another dataset."
            )


@torch.no_grad()
def check_networks(
    generator: nn.Module, discriminator: nn.Module, latent: Tensor | None, condition: Tensor | None, real: Tensor
) -> None:
    """Refuse networks that do not take what they are called with; what they return is checked in every step.

    Args:
        generator: of ``(latent, condition)``.
        discriminator: of ``(samples, condition)``.
        latent: ``(n, d)``, or ``None`` where the generator takes none.
        condition: ``(n, ...)``, or ``None``.
        real: ``(n, ...)`` samples as networks see them.

    Raises:
        GanforgeError: naming the network, what it was called with, and why it failed.
    """
    for player, network, taken in (("generator", generator, latent), ("discriminator", discriminator, real)):
        try:
            network(taken, condition)
        except GanforgeError:
            raise
        except Exception as error:
            name = f"{type(network).__module__}.{type(network).__qualname__}"
            raise GanforgeError(
                f"The {player} {name} fails on {_shape(taken)} with {_shape(condition)} for its condition "
                f"({first_line(error)}): mend its forward(), choose another network, or add debug=true for the trace."
            ) from error


def _shape(value: Tensor | None) -> str:
    return "None" if value is None else f"{value.dtype} {tuple(value.shape)}".removeprefix("torch.")


@torch.no_grad()
def check_condition_is_read(
    generator: nn.Module, discriminator: nn.Module, latent: Tensor | None, condition: Tensor
) -> None:
    """Refuse a condition that neither network reads: the model would be silently unconditional.

    Args:
        generator: of ``(latent, condition)``.
        discriminator: of ``(samples, condition)``.
        latent: ``(n, d)``, or ``None`` where the generator takes none.
        condition: ``(n, ...)``.

    Raises:
        GanforgeError: if one sample's output is the same under another one's condition, in both networks.
    """
    other = condition.roll(1, 0)
    if torch.equal(condition, other):
        return
    generator.eval()
    discriminator.eval()
    samples = generator(latent, condition)
    generates_alike = torch.equal(samples, generator(latent, other))
    judges_alike = torch.equal(discriminator(samples, condition).logits, discriminator(samples, other).logits)
    generator.train()
    discriminator.train()
    if generates_alike and judges_alike:
        what, choice = "the condition", "conditioning"
        if condition.ndim == 1 and condition.dtype == torch.int64:
            what, choice = "labels", "conditioning=label"
        raise GanforgeError(
            f"{choice} is set and neither network reads {what}: choose a conditional network (model=cgan, "
            "projection, acgan, ...), or conditioning=none."
        )
