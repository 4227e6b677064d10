"""Refuse, before data is touched, combinations that compose but cannot work."""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError, first_line
from ganforge.data.columns import Batch, Split
from ganforge.losses.step import Term
from ganforge.models.base import AdversarialModule
from ganforge.models.manual_loop import ManualLoop
from ganforge.networks.critique import Critique

__all__ = ["check_condition_is_read", "check_networks", "check_pairs", "part_sizes", "preflight"]

_ALONE = "Expected more than 1 value per channel"


def part_sizes(batch_size: int, processes: int, accumulate: int) -> list[int]:
    """Return how many samples the networks see at once: of a process's share of a batch, cut in ``accumulate`` parts.

    Returns:
        one size, or two where the last part is smaller.
    """
    share = max(1, batch_size // processes)
    size = math.ceil(share / accumulate)
    return [size, share % size] if share % size else [size]


def preflight(module: AdversarialModule, batch: Batch, sizes: Sequence[int] = ()) -> None:
    """Compute every phase's losses on a copy of the module and an example batch; the module stays unchanged.

    Args:
        module: what is to be trained.
        batch: a few samples of the right shape with labels where the dataset has them; on the CPU.
        sizes: how many samples the networks will see at once; sizes below ``batch``'s are tried too, since batch norms
            and packs fail on a few samples alone.

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
            for size in dict.fromkeys([len(batch.data), *(size for size in sizes if size < len(batch.data))]):
                few = Batch(batch.data[:size], {name: column[:size] for name, column in batch.given.items()})
                for phase in probe.phases():
                    where = f"the {phase.player}'s losses"
                    phase.before()
                    phase.losses(few)
        except GanforgeError:
            raise
        except Exception as error:
            if first_line(error).startswith(_ALONE):
                raise GanforgeError(
                    "A batch norm would see one sample alone, whose variance is none: raise data.batch_size, or lower "
                    "model.accumulate or trainer.devices, for two samples or more at a time in each process."
                ) from error
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
    samples = generator(latent, condition)
    generates_alike = torch.equal(samples, generator(latent, other))
    generator.train()
    if generates_alike and not _judges_by(discriminator, samples, condition):
        what, choice = "the condition", "conditioning"
        if condition.ndim == 1 and condition.dtype == torch.int64:
            what, choice = "labels", "conditioning=label"
        raise GanforgeError(
            f"{choice} is set and neither network reads {what}: choose a conditional network (model=cgan, "
            "projection, acgan, ...), or conditioning=none."
        )


@torch.no_grad()
def _judges_by(discriminator: nn.Module, samples: Tensor, condition: Tensor) -> bool:
    """Return whether a discriminator's logits of samples are others under another one's condition."""
    discriminator.eval()
    first, second = (Critique.of(discriminator(samples, each), samples) for each in (condition, condition.roll(1, 0)))
    discriminator.train()
    return not torch.equal(first.logits, second.logits)


def check_pairs(train: Split, source: str, terms: Mapping[str, Term], discriminator: nn.Module | None = None) -> None:
    """Refuse losses that compare a sample with the target of its source, where the data have no such pairs.

    Args:
        train: what is trained on.
        source: the column that the generator translates.
        terms: losses by name.
        discriminator: a network that may judge samples beside their source.

    Raises:
        GanforgeError: naming the loss.
    """
    if train.paired or source not in train.given:
        return
    way_out = "choose paired data, such as data=earth_pairs or paired_folder, or model=cyclegan or cut"
    for name, term in terms.items():
        if term.needs_pairs:
            raise GanforgeError(
                f"term.{name} compares each sample with the target of its source, and the data are unpaired: {way_out}."
            )
    rows = torch.arange(min(4, len(train)))
    stored = train.batch(rows)
    samples = train.data.modality.decode(stored.data)
    condition = train.given[source].modality.decode(stored.given[source])
    if discriminator is not None and _judges_by(copy.deepcopy(discriminator).cpu(), samples, condition):
        raise GanforgeError(
            f"The discriminator judges each sample beside its source, and the data are unpaired: {way_out}."
        )
