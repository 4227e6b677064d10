"""How far what ganforge computed is from a golden trace, relative, and where it is furthest."""

from dataclasses import dataclass

import torch
from golden import Played, Trace
from torch import Tensor

#: Largest relative difference.
TOLERANCE = 1e-6
#: Relative rounding of what a trace stores in float32, half a unit in the last place.
ROUNDING = 2.0**-24
#: Gradients so much smaller than their network's largest are zero but for rounding: biases before a batch norm.
NOISE = 1e-8


@dataclass(frozen=True)
class Difference:
    """How far ganforge is from a trace, relative; ``where`` it is furthest."""

    value: float
    where: str = ""

    def worse(self, other: "Difference") -> "Difference":
        """Return the larger one."""
        return other if other.value > self.value else self


def losses(trace: Trace, played: Played, control: str = "") -> Difference:
    """Compare every loss of a trace, or of one of its controls."""
    worst = Difference(0.0)
    for step in range(trace.steps):
        there = trace.under(f"{control}step{step}/loss/")
        for official, ours in trace.losses.items():
            if official in there:
                want, got = there[official], played.losses[f"step{step}/{ours}"]
                where = f"{control}step{step}/loss/{official}"
                worst = worst.worse(Difference(float((got - want).abs() / want.abs()), where))
    return worst


def gradients(trace: Trace, played: Played) -> Difference:
    """Compare every gradient, relative to the largest entry of its tensor; one that either lacks must be zero."""
    worst = Difference(0.0)
    for folder, ours in played.gradients.items():
        prefix, _, player = folder.rpartition("/")
        there = trace.converted(f"{prefix}/", player, gradients=True)
        if not there:
            continue  # left out of the file
        largest = max(float(value.abs().max()) for value in there.values())
        for name in there.keys() | ours.keys():
            want, got = _both(there.get(name), ours.get(name))
            scale = max(float(want.abs().max()), NOISE * largest)
            worst = worst.worse(Difference(float((got - want).abs().max()) / scale, f"{folder}/{name}"))
    return worst


def _both(want: Tensor | None, got: Tensor | None) -> tuple[Tensor, Tensor]:
    if want is None:
        assert got is not None
        return torch.zeros_like(got), got
    return want.double(), torch.zeros_like(want).double() if got is None else got.reshape(want.shape)


@torch.no_grad()
def weights(trace: Trace, played: Played) -> Difference:
    """Compare the weights and buffers after the last step, relative to how far they went since the first.

    What the file holds in float32 is known to half a unit in its last place. Adam makes a full step of a gradient that
    is zero but for rounding, so that these parameters are not compared.
    """
    worst = Difference(0.0)
    for player in trace.map:
        network = getattr(played.module, player)
        own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        before, folder = trace.converted("init/", player), f"after{trace.steps - 1}/"
        stored, noise = trace.converted(folder, player, gradients=True), _noise(trace, player)
        for name, want in trace.converted(folder, player).items():
            got, start = own[name].reshape(want.shape), before[name].double().reshape(want.shape)
            rounding = ROUNDING * stored[name].abs().double() if stored[name].dtype == torch.float32 else 0.0
            apart = float(((got - want).abs() - rounding).clamp(min=0).max())
            moved = float((want - start).abs().max())
            if apart and name not in noise:
                worst = worst.worse(Difference(apart / max(moved, 1e-30), f"after/{player}/{name}"))
    return worst


def _noise(trace: Trace, player: str) -> set[str]:
    """Return the parameters whose official gradients in the first step are zero but for rounding."""
    first = trace.converted("step0/grad/", player, gradients=True)
    sizes = {name: float(value.abs().max()) for name, value in first.items()}
    return {name for name, size in sizes.items() if size < NOISE * max(sizes.values())}
