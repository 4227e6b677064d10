"""What a schedule sets: from a dotted place to a function that writes the value there."""

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.optim import Optimizer

from ganforge.core.errors import GanforgeError
from ganforge.schedules import Schedule

__all__ = ["flatten", "setter"]


def flatten(schedules: Mapping[str, object], prefix: str = "") -> dict[str, Schedule]:
    """Return schedules by dotted place, from a mapping whose places may be nested."""
    flat: dict[str, Schedule] = {}
    for name, value in schedules.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        elif isinstance(value, Schedule):
            flat[f"{prefix}{name}"] = value
        else:
            raise GanforgeError(
                f"schedules.{prefix}{name} must be a schedule such as {{_target_: ganforge.schedules.Linear, ...}}, "
                f"got {value!r}."
            )
    return flat


def setter(module: object, optimizers: Mapping[str, Optimizer], place: str) -> Callable[[float], None]:
    """Return a function that writes a value to ``place``.

    Args:
        module: the root of attribute paths; each name is an attribute or a mapping's key.
        optimizers: by player.
        place: ``optimizer.<player>.<option>[.<index>]`` or an attribute path such as ``terms.r1.weight``.

    Raises:
        GanforgeError: if there is nothing at ``place``.
    """
    head, *names = place.split(".")
    if head == "optimizer" and len(names) in (2, 3):
        return _optimizer_setter(optimizers, place, *names)
    owner, last = module, (names or [head])[-1]
    for name in [head, *names][:-1]:
        owner = _child(owner, name, place)
    current = _child(owner, last, place)
    if isinstance(current, Tensor):
        return lambda value: _fill(current, value)
    if isinstance(owner, dict):
        return lambda value: owner.__setitem__(last, value)
    return lambda value: setattr(owner, last, value)


def _fill(tensor: Tensor, value: float) -> None:
    tensor.data.fill_(value)


def _child(owner: object, name: str, place: str) -> object:
    """Return ``owner``'s key or attribute ``name``."""
    if isinstance(owner, Mapping) and name in owner:
        return owner[name]
    if not hasattr(owner, name):
        raise GanforgeError(f"schedules.{place}: there is no '{name}' in a {type(owner).__name__}; check the path.")
    return getattr(owner, name)


def _optimizer_setter(
    optimizers: Mapping[str, Optimizer], place: str, player: str, option: str, index: str | None = None
) -> Callable[[float], None]:
    """Write an option, or one entry of a tuple such as ``betas``, in every parameter group of a player."""
    if player not in optimizers or option not in optimizers[player].defaults:
        known = {name: sorted(optimizer.defaults) for name, optimizer in optimizers.items()}
        raise GanforgeError(f"schedules.{place}: no such optimizer option; there are {known}.")

    def write(value: float) -> None:
        for group in optimizers[player].param_groups:
            if index is None:
                group[option] = value
            else:
                entries = list(group[option])
                entries[int(index)] = value
                group[option] = tuple(entries)

    return write
