"""Sentences for references between keys, ``${data.image_size}``, that cannot be resolved. Imports no torch."""

import re
from collections.abc import Callable, Sequence

from ganforge.core.config import config_folder, groups
from ganforge.core.yaml_files import read_yaml

__all__ = ["REFERENCES", "cannot_resolve"]

#: More options than these are not listed.
_FEW = 5

_PLACE = r"(?:.*?full_key: (?P<place>\S+))?"

#: What OmegaConf says of a key that is not there, or of one below a value; of circles, variables, and resolvers.
REFERENCES = tuple(
    f"{text}{_PLACE}"
    for text in (
        r"Interpolation key '(?P<key>[^']+)' not found",
        r"Error trying to access (?P<key>\S+): node",
        r"(?P<circle>Recursive interpolation detected)",
        r"Environment variable '(?P<variable>[^']+)' not found",
        r"Unsupported interpolation type (?P<resolver>\S+)",
    )
)


def cannot_resolve(match: re.Match[str], overrides: Sequence[str], config: str, nearest: Callable[[str], str]) -> str:
    """Return the sentence: the key that refers, what is not there, and what to choose.

    Args:
        match: of one of :data:`REFERENCES` in what OmegaConf says.
        overrides: what the user typed after the command.
        config: the primary configuration's name.
        nearest: gives the sentence's end with the valid keys nearest to one.
    """
    found = match.groupdict()
    place, key = found["place"] or "the configuration", found.get("key")
    if key is not None:
        place = _typed(key, overrides) or place
        return (
            _left_out(place, key, overrides, config) or f"{place} refers to '{key}', which is not there{nearest(key)}"
        )
    if found.get("variable"):
        variable = found["variable"]
        return f"{place} reads the environment variable {variable}, which is not set: set it, or give {place}=VALUE."
    if found.get("resolver"):
        return f"{place} asks for '${{{found['resolver']}:...}}', and there is no such resolver: give {place}=VALUE."
    return f"{place} refers to itself, perhaps by way of others: give one of them a value."


def _typed(key: str, overrides: Sequence[str]) -> str | None:
    """Return the key that a typed word gives the reference to."""
    return next((word.partition("=")[0].lstrip("+") for word in overrides if f"${{{key}}}" in word), None)


def _left_out(place: str, key: str, overrides: Sequence[str], config: str) -> str | None:
    """Return the sentence for a key that a choice, not a typing error, has left out; ``None`` for others."""
    removal = next((word for word in overrides if word.startswith("~") and f"{key}.".startswith(f"{word[1:]}.")), None)
    if removal is not None:
        return f"{place} refers to '{key}', which '{removal}' removes: leave that out."
    group, other = key.partition(".")[0], place.partition(".")[0]
    known = groups(config)
    if group not in known or _typed(key, overrides) is not None:
        return None
    chosen = next((word for word in reversed(overrides) if word.startswith(f"{group}=")), f"the chosen {group}")
    ways = {group: [name for name, option in _options(group) if _holds(option, key)]}
    if other in known - {group}:
        ways[other] = [name for name, option in _options(other) if f"${{{key}}}" not in str(option)]
    likely = sorted((len(names), _choice(name, names)) for name, names in ways.items() if names)
    hint = f"choose {', or '.join(words for _, words in likely)}" if likely else f"give {place}=VALUE"
    return f"{place} refers to '{key}', which {chosen} does not have: {hint}."


def _choice(group: str, names: Sequence[str]) -> str:
    """Return the choice among a group's options in words."""
    return f"{group}={' or '.join(names)}" if len(names) <= _FEW else f"another {group}"


def _options(group: str) -> list[tuple[str, dict[str, object]]]:
    """Return a group's options by name, as they are written."""
    read = ((file.stem, read_yaml(file)) for file in sorted((config_folder() / group).glob("[!_]*.yaml")))
    return [(name, option) for name, option in read if isinstance(option, dict)]


def _holds(option: dict[str, object], key: str) -> bool:
    """Whether an option sets a key of its group, which its file may name whole or from the group on."""
    for path in (key, key.partition(".")[2]):
        node: object = option
        for name in path.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        if node is not None:
            return True
    return False
