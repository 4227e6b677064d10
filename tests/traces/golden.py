"""Golden traces: what official code computed in three training steps, and ganforge making the same steps.

A trace is one safetensors file of initial weights, batches and draws, and of the losses, gradients and weights that the
official code made of them. Its metadata says how to build the same with ganforge, and which parameter is which.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from safetensors import safe_open
from torch import Tensor, nn

from ganforge.conditioning import Label
from ganforge.data.columns import LABEL, Batch
from ganforge.models.gan import GAN
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.phase import Losses, Phase

#: Beside the repository, or where the variable says.
FOLDER = Path(os.environ.get("GANFORGE_TRACES", Path(__file__).parents[2].parent / "shared" / "traces"))


class Trace:
    """One file.

    Args:
        name: the file's, without its ending.
    """

    def __init__(self, name: str) -> None:
        with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            metadata = file.metadata()
        self.name = name
        self.steps = int(metadata["steps"])
        self.build: dict[str, Any] = json.loads(metadata["ganforge"])
        #: ganforge's ``player/term`` by the official name.
        self.losses: dict[str, str] = json.loads(metadata["losses"])["ganforge"]
        self.map: dict[str, list[tuple[str, str, str]]] = {
            player: [(official, _renamed(ours), how) for official, ours, how in entries]
            for player, entries in json.loads(metadata["map"]).items()
        }

    def under(self, prefix: str) -> dict[str, Tensor]:
        """Return what a folder holds, by its names in it."""
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}

    def converted(self, folder: str, player: str, gradients: bool = False) -> dict[str, Tensor]:
        """Return a player's tensors of a folder (``init/``, ``step0/grad/``, ``after2/``) by ganforge's names."""
        there, derived = self.under(f"{folder}{player}/"), self.under(f"derived/{player}/")
        found = {}
        for official, ours, how in self.map[player]:
            source = derived if official.endswith(" (derived)") and folder == "init/" else there
            name = official.removesuffix(" (derived)")
            if name in source:
                found[ours] = _convert(source[name], how, gradients)
        return found

    def batch(self, step: int) -> Batch:
        """Return the real images of a step as networks see them, repeated to full size where they are smaller."""
        drawn = self.under(f"step{step}/")
        real = drawn["real"].double() / 128 - 1
        factor = self.build["generator"]["image_size"] // real.shape[-1]
        real = real.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
        return Batch(real, {LABEL: drawn["labels"]} if "labels" in drawn else {})


def _renamed(name: str) -> str:
    """Return the present name of what the traces' metadata names as it was when they were made."""
    return name.replace(".parametrization._u", ".u").replace(".parametrization._v", ".v")


def _convert(value: Tensor, how: str, gradients: bool) -> Tensor:
    how, _, minus = how.partition(" minus ")
    if how == "transpose":
        value = value.T
    elif how == "swap 0 1":
        value = value.transpose(0, 1)
    elif how.startswith("columns "):
        start, stop = how.removeprefix("columns ").split(":")
        value = value[:, int(start) : int(stop)]
    else:
        assert how == "same", how
    return value.double() - int(minus) if minus and not gradients else value


@dataclass
class Played:
    """What ganforge computed, by the trace's folders: ``step0/grad/generator`` and the like."""

    losses: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    module: GAN | None = None


@dataclass
class Draws:
    """Serves a trace's random numbers in the order in which phases draw them."""

    trace: Trace
    step: int = 0
    phase: str = "d"
    taken: int = 0

    def enter(self, step: int, phase: str) -> None:
        """Begin a phase: ``d``, ``d_reg``, ``g`` or ``g_reg``."""
        self.step, self.phase, self.taken = step, phase, 0

    def latent(self, n: int, *, generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Return the phase's latents."""
        return self.trace.tensors[f"step{self.step}/latent_{self.phase}"].double()

    def rand(self, *size: Any, **options: Any) -> Tensor:
        """Stand in for ``torch.rand``: shares of generated images in interpolates, or a number that mixes nothing."""
        if size == ((),):
            return torch.ones(())
        return (1 - self.trace.tensors[f"step{self.step}/gp_alpha"].double()).reshape(size[0])

    def randn_like(self, like: Tensor) -> Tensor:
        """Stand in for ``torch.randn_like``: the noise of one synthesis layer after another, then of path lengths."""
        key = f"step{self.step}/noise_{self.phase}/{self.taken}"
        if key not in self.trace.tensors:
            key = f"step{self.step}/path_length_noise_{self.phase}"
        self.taken += 1
        return self.trace.tensors[key].double().reshape(like.shape)


class Traced(GAN):
    """GAN that keeps each phase's losses, in the tensors' own precision."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.kept: list[Mapping[str, Tensor]] = []

    def phases(self) -> list[Phase]:
        """See :class:`GAN`."""
        return [replace(phase, losses=self._keeping(phase.losses)) for phase in super().phases()]

    def _keeping(self, compute: Callable[[Batch], Losses]) -> Callable[[Batch], Losses]:
        def losses(batch: Batch) -> Losses:
            found = compute(batch)
            self.kept.append({name: value.detach() for name, value in found.values.items()})
            return found

        return losses


def build(trace: Trace, draws: Draws, changes: Mapping[str, Any]) -> Traced:
    """Build ganforge's networks, loss and terms by a trace's metadata, with its initial weights.

    Args:
        trace: whose metadata and weights.
        draws: gives the latents.
        changes: what has another name or meaning since the metadata was written, by dotted key.
    """
    plan = json.loads(json.dumps(trace.build))
    for key, value in changes.items():
        *parents, last = key.split(".")
        node = plan
        for parent in parents:
            node = node[parent]
        node[last] = value
    module = Traced(
        generator=instantiate(plan["generator"]),
        discriminator=instantiate(plan["discriminator"]),
        loss=instantiate(plan["loss"]),
        terms={name: instantiate(term) for name, term in plan.get("terms", {}).items()},
        latent=draws.latent,
        conditioning=Label(plan["classes"]) if plan.get("classes") else None,
        n_critic=plan.get("n_critic", 1),
        optimizers={player: partial(torch.optim.Adam, **options) for player, options in plan["optimizers"].items()},
    ).double()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d) and "batch_norm_eps" in plan:
            part.eps = plan["batch_norm_eps"]
    for player in trace.map:
        load(getattr(module, player), trace.converted("init/", player))
    for name in plan.get("freeze_at_zero", []):
        nn.init.zeros_(module.get_parameter(name)).requires_grad_(False)
    return module


@torch.no_grad()
def load(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copy tensors into a network's parameters and buffers of the same names."""
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    for name, value in values.items():
        own[name].copy_(value.reshape(own[name].shape))


def play(trace: Trace, monkeypatch: Any, changes: Mapping[str, Any]) -> Played:
    """Make a trace's steps with ganforge's own procedure."""
    draws, played = Draws(trace), Played()
    module = played.module = build(trace, draws, changes)
    monkeypatch.setattr(torch, "rand", draws.rand)
    monkeypatch.setattr(torch, "randn_like", draws.randn_like)
    step = 0
    firsts: set[str] = set()

    @contextmanager
    def watched(phase: Phase) -> Iterator[None]:
        tag = "" if phase.player not in firsts else "_reg"
        firsts.add(phase.player)
        draws.enter(step, phase.player[0] + tag)
        yield
        network = getattr(module, phase.player)
        played.gradients[f"step{step}/grad{tag}/{phase.player}"] = {
            name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None
        }
        for name, value in module.kept.pop().items():
            played.losses[f"step{step}/{phase.player}/{name}"] = value

    module.phase_context = watched
    loop = ManualLoop(module)
    for step in range(trace.steps):
        firsts.clear()
        for network in (module.generator, module.discriminator):
            if f"step{step}/level_of_detail" in trace.tensors:
                network.level_of_detail.copy_(trace.tensors[f"step{step}/level_of_detail"])
        loop.step(trace.batch(step))
    monkeypatch.undo()
    return played
