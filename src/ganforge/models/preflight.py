"""Refuse, before data is touched, combinations that compose but cannot work."""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError, first_line
from ganforge.data.columns import Batch
from ganforge.models.base import AdversarialModule
from ganforge.models.manual_loop import ManualLoop

__all__ = ["check_condition_is_read", "part_sizes", "preflight"]

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
    """Compute every phase's losses on a copy of the module and a made-up batch; the module is left as it was.

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
        try:
            ManualLoop(probe)  # optimizers and schedules are built too
            probe.check(batch)
            for size in dict.fromkeys([len(batch.data), *(size for size in sizes if size < len(batch.data))]):
                few = Batch(batch.data[:size], {name: column[:size] for name, column in batch.given.items()})
                for phase in probe.phases():
                    phase.before()
                    phase.losses(few)
        except GanforgeError:
            raise
        except Exception as error:
            reason = first_line(error)
            if reason.startswith(_ALONE):
                raise GanforgeError(
                    "A batch norm would see one sample alone, whose variance is none: raise data.batch_size, or lower "
                    "model.accumulate or trainer.devices, for two samples or more at a time in each process."
                ) from error
            raise GanforgeError(
                f"This combination of network, loss, term, conditioning and augment cannot take a step ({reason}): go "
                "back to the variant's own options one by one, or add debug=true for the trace."
            ) from error


@torch.no_grad()
def check_condition_is_read(
    generator: nn.Module, discriminator: nn.Module, latent: Tensor | None, condition: Tensor
) -> None:
    """Refuse a condition that neither network looks at: the model would be silently unconditional.

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
