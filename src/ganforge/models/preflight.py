"""Refuse, before data is touched, combinations that compose but cannot work."""

import copy

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.losses.step import Term
from ganforge.models.base import AdversarialModule
from ganforge.models.by_hand import ByHand
from ganforge.networks.critique import Critique

__all__ = ["check_labels_are_read", "check_terms", "preflight"]


def preflight(module: AdversarialModule, batch: Batch) -> None:
    """Compute every phase's losses once, on a copy of the module and a made-up batch; the module is left as it was.

    Args:
        module: what is to be trained.
        batch: a few images of the right shape with labels where the dataset has them; on the CPU.

    Raises:
        GanforgeError: in one sentence that names what does not fit and a way out.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        probe = copy.deepcopy(module)
        try:
            ByHand(probe)  # optimizers and schedules are built too
            probe.check(batch)
            for phase in probe.phases():
                phase.losses(batch)
        except GanforgeError:
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise GanforgeError(
                f"This combination of network, loss, term, conditioning and augment cannot take a step ({reason}): go "
                "back to the variant's own options one by one, or add debug=true for the trace."
            ) from error


def check_terms(terms: dict[str, Term], critique: Critique, conditioned: bool) -> None:
    """Refuse a term that reads what the discriminator or the conditioning does not give."""
    for name, term in terms.items():
        if "condition" in term.needs and not conditioned:
            raise GanforgeError(
                f"term.{name} reads labels and conditioning=none gives none: add conditioning=label, or leave {name} "
                "out of term=[...]."
            )
        for need in sorted(term.needs & set(Critique._fields)):
            if getattr(critique, need) is None:
                raise GanforgeError(
                    f"term.{name} reads the discriminator's {need.replace('_', ' ')} and network.discriminator gives "
                    f"none: choose a network with that head, or leave {name} out of term=[...]."
                )


@torch.no_grad()
def check_labels_are_read(generator: nn.Module, discriminator: nn.Module, latent: Tensor, labels: Tensor) -> None:
    """Refuse conditioning on labels that neither network looks at: the model would be silently unconditional."""
    generator.eval()
    discriminator.eval()
    images, other = generator(latent, labels), generator(latent, labels.roll(1))
    judged, again = discriminator(images, labels), discriminator(images, labels.roll(1))
    ignored = torch.equal(images, other) and torch.equal(judged.logits, again.logits)
    generator.train()
    discriminator.train()
    if ignored and (labels != labels.roll(1)).any():
        raise GanforgeError(
            "conditioning=label is set and neither network reads labels: choose a conditional network (model=cgan, "
            "projection, acgan, ...), or conditioning=none."
        )
