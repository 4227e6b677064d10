"""What a checkpoint holds, since when, and what each part of it is needed for; and whether it fits a module."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import RandomState
from ganforge.models.ledger import LedgerState

__all__ = [
    "ENTRIES",
    "Checkpoint",
    "Entry",
    "Progress",
    "Use",
    "images_seen_of",
    "networks_misfit",
    "optimizers_misfit",
    "require",
]

#: ``resume``: go on exactly; ``fork``: begin another run with its networks; ``sample``: draw from it and evaluate it.
Use = Literal["resume", "fork", "sample"]

_USES: dict[Use, str] = {
    "resume": "go on with resume=true",
    "fork": "begin another run with its networks: 'start={run: PATH, networks: [generator, discriminator]}'",
    "sample": "draw from it and evaluate it: ganforge sample PATH, ganforge evaluate PATH",
}


class Progress(TypedDict, total=False):
    """The part of a checkpoint that is ganforge's own."""

    version: str
    images_seen: int
    batches_seen: int
    rng: list[RandomState]
    ledger: LedgerState
    optimizers: dict[str, str]
    pools: list[list[dict[str, Tensor]]]


class OptimizerState(TypedDict):
    """An optimizer's ``state_dict``; its options are of many types."""

    state: dict[int, object]
    param_groups: list[dict[str, Any]]


class Checkpoint(TypedDict, total=False):
    """A checkpoint's parts; which of them are there is for :func:`require` to say."""

    state_dict: dict[str, object]
    optimizer_states: list[OptimizerState]
    callbacks: dict[str, dict[str, object]]
    loops: dict[str, object]
    loggers: dict[str, dict[str, object]]
    ganforge: Progress


@dataclass(frozen=True)
class Entry:
    """One part of a checkpoint.

    Attributes:
        what: in words.
        since: the version that first kept it.
        kind: its type.
        needed_for: what is impossible without it.
    """

    what: str
    since: str
    kind: type
    needed_for: tuple[Use, ...] = ()


#: Every part that ganforge reads, by its dotted place.
ENTRIES: dict[str, Entry] = {
    "state_dict": Entry("the networks' weights", "0.1.0", dict, ("resume", "fork", "sample")),
    "state_dict._extra_state": Entry("the state of terms and the scale of rates", "0.2.0", dict, ("resume",)),
    "optimizer_states": Entry("the optimizers' states", "0.1.0", list, ("resume",)),
    "callbacks": Entry("scores and health so far", "0.1.0", dict, ("resume",)),
    "loops": Entry("Lightning's count of batches", "0.1.0", dict, ("resume",)),
    "loggers": Entry("the loggers' identifiers", "0.2.0", dict),
    "ganforge": Entry("the clock and the random state", "0.1.0", dict, ("resume", "sample")),
    "ganforge.version": Entry("the version that wrote it", "0.1.0", str),
    "ganforge.images_seen": Entry("the clock of images", "0.1.0", int, ("resume", "sample")),
    "ganforge.batches_seen": Entry("the number of batches", "0.1.0", int, ("resume",)),
    "ganforge.rng": Entry("every process's random state", "0.1.0", list, ("resume",)),
    "ganforge.ledger": Entry("the open interval of the loss log", "0.2.0", dict),
    "ganforge.optimizers": Entry("the optimizers' classes", "0.2.0", dict),
}


def _find(content: Mapping[str, object], place: str) -> object:
    """Return what is at a dotted place; ``None`` if there is nothing."""
    node: object = content
    for key in place.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _missing(content: Mapping[str, object]) -> dict[str, Entry]:
    """Return the entries that are not there, or not of their type, the outermost alone."""
    found: dict[str, Entry] = {}
    for place, entry in ENTRIES.items():
        if place.rpartition(".")[0] not in found and not isinstance(_find(content, place), entry.kind):
            found[place] = entry
    return found


def images_seen_of(content: Mapping[str, object]) -> int | None:
    """Return a checkpoint's clock, ``None`` if it has none."""
    found = _find(content, "ganforge.images_seen")
    return found if isinstance(found, int) else None


def require(content: Mapping[str, object], use: Use, name: object = "") -> Checkpoint:
    """Return a checkpoint that has what a use of it needs.

    Args:
        content: the loaded checkpoint.
        use: what it is wanted for.
        name: its file, for the sentence.

    Raises:
        GanforgeError: naming what is missing, since which version it is kept, and what can still be done.
    """
    missing = _missing(content)
    lacking = [
        f"{entry.what} ('{place}', kept since {entry.since})"
        for place, entry in missing.items()
        if use in entry.needed_for
    ]
    if not lacking:
        return cast("Checkpoint", content)
    named = f" '{name}'" if name else ""
    path = str(name or "PATH")
    writer = _find(content, "ganforge.version")
    by = f"written by ganforge {writer}" if isinstance(writer, str) else "from an older ganforge or another program"
    ways = [
        way.replace("PATH", path)
        for other, way in _USES.items()
        if not any(other in entry.needed_for for entry in missing.values())
    ]
    still = "you can still " + ", or ".join(ways) if ways else "train anew with force=true"
    raise GanforgeError(f"The checkpoint{named}, {by}, lacks {', '.join(lacking)}: {still}.")


def networks_misfit(module: nn.Module, state: Mapping[str, object]) -> str | None:
    """Return how a checkpoint's networks differ from a module's, network by network; ``None`` if they do not.

    Args:
        module: what is to be loaded.
        state: the checkpoint's ``state_dict``; entries that are no tensors are left out.
    """
    here = {name: value.shape for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    there = {name: value.shape for name, value in state.items() if isinstance(value, Tensor)}
    lines = []
    for network in dict.fromkeys(name.partition(".")[0] for name in (*here, *there)):
        own = {name: shape for name, shape in here.items() if name.partition(".")[0] == network}
        other = {name: shape for name, shape in there.items() if name.partition(".")[0] == network}
        if not own or not other:
            lines.append(f"{network} is only {'in the checkpoint' if other else 'in this configuration'}")
            continue
        differing = [name for name in dict.fromkeys((*own, *other)) if own.get(name) != other.get(name)]
        if differing:
            lines.append(f"{network} differs in {_shapes(differing[0], other, own)}{_and_more(len(differing) - 1)}")
    return "; ".join(lines) or None


def _shapes(name: str, there: Mapping[str, torch.Size], here: Mapping[str, torch.Size]) -> str:
    def shape(of: Mapping[str, torch.Size]) -> str:
        return "x".join(map(str, of[name])) or "a number" if name in of else "absent"

    return f"'{name.partition('.')[2]}' ({shape(there)} there, {shape(here)} here)"


def _and_more(count: int) -> str:
    return f" and {count} more" if count else ""


def optimizers_misfit(
    made: Mapping[str, Optimizer], states: Sequence[OptimizerState], kinds: Mapping[str, str] | None
) -> str | None:
    """Return how a checkpoint's optimizers differ in kind from a module's; ``None`` if their states can be taken.

    Args:
        made: the module's, by player, in the order of ``states``.
        states: the checkpoint's ``optimizer_states``.
        kinds: the names of the checkpoint's optimizers' classes by player; ``None`` where it does not say.
    """
    if len(made) != len(states):
        return f"it holds optimizers of {len(states)} players, and there are {len(made)}"
    for (player, optimizer), state in zip(made.items(), states, strict=True):
        kind = type(optimizer).__name__
        other = (kinds or {}).get(player, kind)
        if other != kind:
            return f"optimizer.{player} is {other} there and {kind} here"
        fresh = optimizer.state_dict()
        lacking = {key for group in fresh["param_groups"] for key in group} - set(state["param_groups"][0])
        if lacking:
            return f"optimizer.{player} is {kind} here and of another kind there (without {', '.join(sorted(lacking))})"
        counts = [[len(group["params"]) for group in one["param_groups"]] for one in (state, fresh)]
        if counts[0] != counts[1]:
            return f"optimizer.{player} trains {sum(counts[0])} tensors there and {sum(counts[1])} here"
    return None
