"""A paper's numbers in the configuration: options read them from the node ``recipe``. Imports no torch.

A variant sets ``recipe`` and a budget the node ``budget``, which comes first; an option of an axis reads what concerns
it and has a default of its own, as in ``lr: ${recipe:lr.generator,0.0002}``. Numbers for an option that is not chosen
are read by nobody, so that any option goes with any variant.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

__all__ = ["RESOLVERS"]

_ABSENT = object()


def recipe(key: str, default: Any = None, *, _root_: DictConfig) -> Any:
    """``${recipe:KEY,DEFAULT}``: what budget or recipe has under a dotted key, ``null`` included; else the default."""
    for node in ("budget", "recipe"):
        found = OmegaConf.select(_root_, f"{node}.{key}", default=_ABSENT)
        if found is not _ABSENT:
            return found
    return _node(default)


def by_size(values: Mapping[int, Any], *, _root_: DictConfig) -> Any:
    """``${recipe.by_size:{32: A, 64: B}}``: the entry of the largest size up to ``data.image_size``, else the first."""
    side = _side(_root_)
    return _node(values[max((size for size in values if size <= side), default=min(values))])


def times(value: float | None, share: float) -> int | None:
    """``${recipe.times:WIDTH,SHARE}``: a share of a number of channels, at least 1; of ``null`` it is ``null``."""
    return None if value is None else max(1, round(value * share))


def r1_gamma(*, _root_: DictConfig) -> float:
    """``${recipe.r1_gamma:}``: ``0.0002 side^2 / batch``, StyleGAN2-ADA's rule (its ``train.py``, ``--cfg=auto``)."""
    return float(0.0002 * _side(_root_) ** 2 / _root_.data.batch_size)


def lazy(value: float, every: float, power: bool = False) -> float:
    """``${recipe.lazy:RATE,EVERY}`` and ``${recipe.lazy:BETA,EVERY,true}``: corrected for a lazy term's own steps.

    Rates are multiplied by ``k / (k + 1)`` and betas raised to it where a term acts every ``k > 1`` steps (Karras et
    al. 2020b, appendix B, and the official training loop).
    """
    share = every / (every + 1) if every > 1 else 1.0
    return float(value**share if power else value * share)


def kimg(steps: float, *, _root_: DictConfig) -> float:
    """``${recipe.kimg:STEPS}``: generator steps as thousands of images, ``batch * n_critic`` a step."""
    return float(steps * _root_.data.batch_size * _root_.model.n_critic / 1000)


def halflife_kimg(decay: float, *, _root_: DictConfig) -> float:
    """``${recipe.halflife_kimg:DECAY}``: the half-life of an average that keeps ``DECAY`` of itself a step of G."""
    return kimg(math.log(0.5) / math.log(decay), _root_=_root_)


def averaging(*, _root_: DictConfig) -> DictConfig | None:
    """``${recipe.averaging:}``: the node ``ema``; ``null`` where its half-life is, for papers without an average."""
    ema = _root_.ema
    return None if ema is None or OmegaConf.select(ema, "halflife_kimg", default=0) is None else ema


def schedules(*, _root_: DictConfig) -> DictConfig:
    """``${recipe.schedules:}``: the recipe's schedules of what there is in this run, over them the node ``schedules``.

    A schedule of the recipe goes with what it moves: with ``ema=none`` or ``~term.r1`` theirs are left out.
    """
    kept: dict[str, Any] = {}
    for node in ("recipe", "budget", ""):
        path = f"{node}.schedules".lstrip(".")
        for place, schedule in _leaves(OmegaConf.select(_root_, path) or OmegaConf.create()):
            if node == "" or _exists(place, _root_):
                kept[place] = (
                    OmegaConf.to_container(schedule, resolve=True) if OmegaConf.is_config(schedule) else schedule
                )
    nested: DictConfig = OmegaConf.create()
    for place, schedule in kept.items():
        if schedule is not None:
            OmegaConf.update(nested, place, schedule, force_add=True)
    return nested


def _leaves(node: DictConfig, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield schedules by dotted place, from nested mappings."""
    for name in map(str, node):
        child = node[name]
        if OmegaConf.is_dict(child) and "_target_" not in child:
            yield from _leaves(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def _exists(place: str, root: DictConfig) -> bool:
    head, _, rest = place.partition(".")
    path = f"{'term' if head == 'terms' else head}.{rest}"
    parent, _, last = path.rpartition(".")
    node = OmegaConf.select(root, parent)
    return node is not None and (int(last) in range(len(node)) if OmegaConf.is_list(node) else last in node)


def _node(value: Any) -> Any:
    """Return what a resolver may return: lists and mappings as nodes."""
    return OmegaConf.create(value) if isinstance(value, list | dict) else value


def _side(root: DictConfig) -> int:
    """Return the images' larger side in pixels; 0 for what is no image, or no size (the check of values says so)."""
    size = OmegaConf.select(root, "data.image_size", default=0)
    sides = list(size) if OmegaConf.is_list(size) else [size]
    return max((int(side) for side in sides if isinstance(side, int | float)), default=0)


RESOLVERS: dict[str, Callable[..., Any]] = {
    "recipe": recipe,
    "recipe.by_size": by_size,
    "recipe.times": times,
    "recipe.r1_gamma": r1_gamma,
    "recipe.lazy": lazy,
    "recipe.kimg": kimg,
    "recipe.halflife_kimg": halflife_kimg,
    "recipe.averaging": averaging,
    "recipe.schedules": schedules,
}
