"""Turns what Hydra and OmegaConf raise into one sentence with the nearest valid names. Imports no torch."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ganforge.errors import GanforgeError

__all__ = ["check_values", "explain", "find_cause"]


def find_cause(error: BaseException) -> GanforgeError | None:
    """Return the sentence meant for the user in an exception's chain of causes, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, GanforgeError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


def explain(error: BaseException, overrides: Sequence[str]) -> str:
    """Return one sentence for an exception of composition or instantiation."""
    text = str(error)
    for pattern, tell in _PATTERNS:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            return tell(match, overrides)
    if type(error).__name__ == "InstantiationException":
        return _instantiation(error, text)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return f"{first.rstrip('.')}. See 'ganforge train --help', or add debug=true for the trace."


def _unknown_key(match: re.Match[str], overrides: Sequence[str]) -> str:
    key = match["key"]
    if "." not in key:
        return _unknown_group(match, overrides)
    return f"There is no configuration key '{key}'{_nearest(key, list(_keys(overrides)))}"


def _unknown_option(match: re.Match[str], overrides: Sequence[str]) -> str:
    group, _, option = match["path"].rpartition("/")
    options = re.findall(r"^\s+(\S+)$", match["options"], re.MULTILINE)
    near = difflib.get_close_matches(option, options, 3, 0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"There is no '{option}' in the group '{group}'{hint} It has: {', '.join(options)}."


def _unknown_group(match: re.Match[str], overrides: Sequence[str]) -> str:
    names = sorted({*_groups(), *(key for key in _keys([]) if "." not in key)})
    if match["key"] in names:
        reason = next((line.strip() for line in match.string.splitlines()[1:] if line.strip()), "see --cfg job")
        key = match["key"]
        return f"'{key}' cannot be set like that ({reason}); a new key below it needs a plus: +{key}.KEY=VALUE."
    return f"There is no configuration key or group '{match['key']}'{_nearest(match['key'], names)}"


def _groups() -> set[str]:
    from ganforge.config import config_folder

    return {path.name for path in config_folder().iterdir() if path.is_dir()}


def _syntax(match: re.Match[str], overrides: Sequence[str]) -> str:
    return f"'{match['override']}' is not of the form key=value: see 'ganforge train --help'."


def _sweep_without_flag(match: re.Match[str], overrides: Sequence[str]) -> str:
    return f"'{match['override']}' names several values: add -m to train them one after another."


def _interpolation(match: re.Match[str], overrides: Sequence[str]) -> str:
    return f"The configuration refers to '{match['key']}', which does not exist: check the last override."


_PATTERNS = (
    (r"Could not find '(?P<path>[^']+)'\s*Available options in '[^']*':(?P<options>.*)", _unknown_option),
    (
        r"Could not override '(?P<key>[^'@]+)[^']*'\.\s*(?:No match in the defaults list|Did you mean)",
        _unknown_group,
    ),
    (r"Could not override '(?P<key>[^']+)'", _unknown_key),
    (r"Key '(?P<key>[^']+)' is not in struct", _unknown_key),
    (r"Ambiguous value for argument '(?P<override>[^']+)'", _sweep_without_flag),
    (r"Error parsing override '(?P<override>[^']*)'", _syntax),
    (r"Interpolation key '(?P<key>[^']+)' not found", _interpolation),
)


def _nearest(key: str, names: list[str]) -> str:
    """Return the valid names nearest to ``key``, whole paths or last parts."""
    near = difflib.get_close_matches(key, names, 3, 0.6)
    last = key.rpartition(".")[2]
    by_last = {name.rpartition(".")[2]: name for name in names}
    near += [by_last[name] for name in difflib.get_close_matches(last, list(by_last), 2, 0.7)]
    near = list(dict.fromkeys(near))[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ": see 'ganforge train --cfg job' for all keys."


def _default_config(overrides: Sequence[str]) -> Any:
    """Compose with only the group choices among ``overrides``; without any where that fails too."""
    from ganforge.config import compose

    groups = _groups()
    chosen = [override for override in overrides if override.partition("=")[0] in groups and "," not in override]
    for attempt in (chosen, []):
        try:
            return compose(attempt)
        except Exception:
            continue
    return {}


def _keys(overrides: Sequence[str]) -> Iterator[str]:
    """Yield every dotted key."""
    from omegaconf import DictConfig

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key in node:
            yield f"{prefix}{key}"
            child = node[key]
            if isinstance(child, DictConfig):
                yield from walk(child, f"{prefix}{key}.")

    yield from walk(_default_config(overrides), "")


def _instantiation(error: BaseException, text: str) -> str:
    """Name the configuration node and the reason, without Hydra's frame."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    key = re.search(r"full_key: (\S+)", text)
    target = re.search(r"Error (?:in call to target|locating target|instantiating) '([^']+)'", text)
    place = f"{key[1]}: " if key else ""
    reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    return f"{place}{target[1] if target else 'the object'} cannot be built: {reason}"


_POSITIVE = (
    "total_kimg",
    "data.batch_size",
    "data.image_size",
    "latent.dim",
    "model.n_critic",
    "model.accumulate",
    "model.log_every",
    "network.width",
)


#: Numbers or switches that may also be words.
_WORDS_TOO = ("resume", "trainer.devices")


def check_values(config: Any, overrides: Sequence[str]) -> None:
    """Refuse, before anything heavy is imported, text where the default is a number and sizes that are not positive.

    Raises:
        GanforgeError: naming the key and the value.
    """
    from omegaconf import OmegaConf

    keys = [override.partition("=")[0].lstrip("+~") for override in overrides]
    suspects = [key for key in keys if key not in _WORDS_TOO and isinstance(OmegaConf.select(config, key), str)]
    defaults: Any = _default_config(overrides) if suspects else None
    for key in suspects:
        default = OmegaConf.select(defaults, key)
        if isinstance(default, int | float):
            kind = "true or false" if isinstance(default, bool) else "a number"
            raise GanforgeError(f"{key} must be {kind} (default {default}), got '{OmegaConf.select(config, key)}'.")
    for key in _POSITIVE:
        value = OmegaConf.select(config, key)
        if isinstance(value, int | float) and value <= 0:
            raise GanforgeError(f"{key} must be greater than 0, got {value}.")
