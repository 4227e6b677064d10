"""What a run's result depends on: its configuration without what the node ``machine`` refers to. Imports no torch."""

import hashlib
import json
import re
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf, open_dict

from ganforge.core.containers import plain
from ganforge.core.errors import GanforgeError
from ganforge.core.secrets import masked

__all__ = ["counted_settings", "record_settings", "shown_settings", "signature", "without_settings"]

#: ``${data.workers}``, or ``${oc.select:data.workers}`` where a configuration may lack the key.
_REFERENCE = re.compile(r"\$\{(?:oc\.select:)?\s*([\w.]+)\s*\}")


def counted_settings(config: DictConfig) -> dict[str, object]:
    """Return what a run's result depends on, resolved, as plain containers.

    Every key that the node ``machine`` refers to is first replaced by its own name in angle brackets, so that values
    that interpolate to it resolve to a constant, ``<paths.run>/curves.png``; then those keys are left out, with
    ``machine``, ``hydra``, ``recipe`` and ``budget``, whose values are where they are read, and ``start`` where it
    names no run, and ``pretrain`` where that is all there is of it.

    Args:
        config: a composed configuration whose interpolations are not yet resolved.

    Raises:
        GanforgeError: if an entry of ``machine`` is not a reference to a key.
    """
    settings = plain(config, resolve=False)
    settings.pop("hydra", None)
    start, machine = settings.get("start"), settings.pop("machine", None)
    if not (isinstance(start, dict) and start.get("run")):  # begun from nothing: as if the key did not exist
        settings.pop("start", None)
    keys = [_key_of(name, reference) for name, reference in machine.items()] if isinstance(machine, dict) else []
    for key in keys:
        node, last = _parent(settings, key)
        if last in node:
            node[last] = _blanked(node[last], key)
    settings = plain(OmegaConf.create(settings))
    pretrain = settings.get("pretrain")
    if "start" in settings or not (isinstance(pretrain, dict) and pretrain.get("model")):
        settings.pop("pretrain", None)
    for apart in ("recipe", "budget"):  # the options that read them have their values
        settings.pop(apart, None)
    for key in keys:
        node, last = _parent(settings, key)
        node.pop(last, None)
    return settings


def signature(*, _root_: DictConfig) -> str:
    """Return ten digits that identify what a run computes: a hash of its counted settings, recorded or not yet."""
    counted = counted_settings(_root_) if "machine" in _root_ else OmegaConf.to_container(_root_.settings)
    text = json.dumps(counted, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def record_settings(config: DictConfig, words: Sequence[str] = ()) -> None:
    """Replace ``machine`` by ``settings``, and fix the run's folder, which is named by them.

    It must happen before interpolations are resolved. Configurations of commands that train nothing stay as they are.

    Args:
        config: a composed configuration.
        words: what it was composed from, kept for a run that has to be trained before it.
    """
    if "machine" not in config:
        return
    settings = counted_settings(config)
    with open_dict(config):
        if OmegaConf.select(config, "pretrain.model") is not None:
            config.pretrain.words = list(words)
        del config["machine"]
        config.settings = settings
        config.paths.run = config.paths.run  # a value from here on, and no interpolation


def without_settings(config: DictConfig) -> DictConfig:
    """Return the configuration itself, as people write it, without the ``settings`` that are derived from it."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "settings"])


def shown_settings(config: DictConfig) -> dict[str, object]:
    """Return what is written or sent of a run's configuration: resolved, without secrets and whom to trust."""
    shown = masked(plain(without_settings(config)))
    return {key: value for key, value in shown.items() if key != "trust"}


def _key_of(name: str, reference: object) -> str:
    match = _REFERENCE.fullmatch(str(reference))
    if match is None:
        raise GanforgeError(
            f"machine.{name} must refer to a key of the configuration, as in '${{data.workers}}'; got '{reference}'."
        )
    return match[1]


def _parent(settings: dict[str, object], key: str) -> tuple[dict[str, object], str]:
    """Return the mapping that holds a dotted key, an empty one if there is none, and the key's last part."""
    *parents, last = key.split(".")
    node: object = settings
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    return (node, last) if isinstance(node, dict) else ({}, last)


def _blanked(node: object, key: str) -> object:
    """Return the same containers with each value replaced by its key, as references may go to any of them."""
    if isinstance(node, dict):
        return {name: _blanked(value, f"{key}.{name}") for name, value in node.items()}
    if isinstance(node, list):
        return [_blanked(value, f"{key}.{position}") for position, value in enumerate(node)]
    return f"<{key}>"
