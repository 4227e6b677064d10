"""What holds for every training procedure."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ganforge.data.columns import Batch, Loaded
from ganforge.models.base import AdversarialModule
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.phase import Phase
from ganforge.testing.expect import name_of, require, require_finite

__all__ = ["check_procedure"]


def check_procedure(module: AdversarialModule, batch: Loaded, batches: int | None = None) -> None:
    """Check that every phase moves its own player alone, all players move, and samples are of the data's shape.

    Args:
        module: as training would have it at the start; it is left as it is.
        batch: samples as networks see them, with the columns that the procedure reads.
        batches: training steps to make; ``None``: until every phase has run, at most 16.

    Raises:
        AssertionError: in a sentence, for what does not hold.
        GanforgeError: if the module refuses its combination of options.
    """
    name, batch = name_of(module), Batch.of(batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh, module = copy.deepcopy(module), copy.deepcopy(module)
        loop = ManualLoop(module)
        moved: dict[str, set[str]] = {player: set() for player in module.players()}
        module.phase_context = lambda phase: _watched(module, phase, moved[phase.player], name)
        count, start = batches or min(16, max(phase.every for phase in module.phases())), module.images_seen
        for _ in range(count):
            loop.step(batch)
        still = [player for player, parameters in moved.items() if not parameters]
        require(not still, f"{name} has players that no phase has moved: {still}.")
        counted = module.images_seen - start == count * len(batch.data)
        require(counted, f"{name}'s clock must count the real images: do not override training_step.")
        module.ledger.read(module.images_seen)  # raises if a loss was not finite
        _check_samples(module, batch, name)
        _check_resuming(loop, fresh, batch, name)


@contextmanager
def _watched(module: AdversarialModule, phase: Phase, moved: set[str], name: str) -> Iterator[None]:
    """Note which parameters a phase moves, and require that they are its player's."""
    before = {key: parameter.detach().clone() for key, parameter in module.named_parameters()}
    yield
    changed = {key for key, parameter in module.named_parameters() if not torch.equal(parameter, before[key])}
    identities = {id(parameter) for parameter in module.parameters_of(phase.player)}
    own = {key for key, parameter in module.named_parameters() if id(parameter) in identities}
    require(bool(changed), f"A phase of {name}'s {phase.player} moves nothing.")
    require(
        changed <= own, f"A phase of {name}'s {phase.player} moves {sorted(changed - own)[:3]}, which it does not own."
    )
    moved |= changed


def _check_samples(module: AdversarialModule, batch: Batch, name: str) -> None:
    samplers = module.samplers()
    require(bool(samplers), f"{name}.samplers() must name what samples are drawn with.")
    for key, sampler in samplers.items():
        condition = None if sampler.conditioning is None else sampler.conditioning(batch)
        samples = sampler.sample(len(batch.data), condition=condition)
        like: Tensor = batch.data if sampler.target is None else batch.given[sampler.target]
        fits = samples.shape[1:] == like.shape[1:]
        require(fits, f"{name}'s sampler {key} draws {tuple(samples.shape)} and the data are {tuple(like.shape)}.")
        require_finite([samples], f"{name}'s sampler {key} draws samples that are not finite.")


def _check_resuming(loop: ManualLoop, fresh: AdversarialModule, batch: Batch, name: str) -> None:
    """A module that never trained goes on from a checkpoint as the one that wrote it does, to the bit."""
    states = [copy.deepcopy(optimizer.state_dict()) for optimizer in loop.optimizers]
    weights = copy.deepcopy(loop.module.state_dict())
    checkpoint: dict[str, object] = {"state_dict": weights, "optimizer_states": states, "callbacks": {}, "loops": {}}
    loop.module.on_save_checkpoint(checkpoint)
    other = ManualLoop(fresh)
    fresh.on_load_checkpoint(checkpoint)
    fresh.load_state_dict(weights)
    for restored, state in zip(other.optimizers, states, strict=True):
        restored.load_state_dict(state)
    for each in (loop, other):
        torch.manual_seed(1)
        each.step(batch)
    gone_on, resumed = loop.module.state_dict(), fresh.state_dict()
    tensors = [key for key, value in gone_on.items() if isinstance(value, Tensor)]
    differ = [key for key in tensors if not torch.equal(gone_on[key], resumed[key])]
    require(
        not differ,
        f"{name} does not go on from a checkpoint as it would have without one ({differ[:3]} differ): keep what passes "
        "from step to step in buffers, or give it by stateful().",
    )
