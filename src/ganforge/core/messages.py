"""Error messages: one sentence with the nearest valid names for what was raised. Imports no torch."""

import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ganforge.core.config import config_folder, default_config, groups
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.launch import environment_rank
from ganforge.core.references import REFERENCES, cannot_resolve
from ganforge.core.secrets import masked_text

__all__ = ["error_message", "find_cause", "print_error"]


def print_error(error: BaseException, overrides: Sequence[str] = (), config: str = "train") -> int:
    """Print :func:`error_message`, which has the same arguments, to standard error; return the exit status."""
    number = environment_rank()
    speaker = f"ganforge (process {number})" if number else "ganforge"
    print(f"{speaker}: {error_message(error, overrides, config)}", file=sys.stderr, flush=True)  # noqa: T201
    return 1


def find_cause(error: BaseException) -> GanforgeError | None:
    """Return the sentence meant for the user in an exception's chain of causes, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, GanforgeError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return None


class _Command(NamedTuple):
    """What the user typed, and the primary configuration of the command, which is named like the command."""

    overrides: Sequence[str]
    config: str


def error_message(error: BaseException, overrides: Sequence[str] = (), config: str = "train") -> str:
    """Return one sentence for an exception: the one meant for the user, or what composition or instantiation raised.

    Secrets in it are masked.

    Args:
        error: what was raised.
        overrides: what the user typed after the command.
        config: the primary configuration that was composed, named like its command.
    """
    return masked_text(_message(error, _Command(overrides, config)))


def _message(error: BaseException, command: _Command) -> str:
    cause = find_cause(error)
    if cause is not None:
        return str(cause)
    text = str(error)
    for pattern, message in _PATTERNS:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            return message(match, command)
    if type(error).__name__ == "InstantiationException":
        return _instantiation(error, text)
    return f"{first_line(error).rstrip('.')}. See 'ganforge {command.config} --help', or add debug=true for the trace."


def _unknown_key(match: re.Match[str], command: _Command) -> str:
    key = match["key"]
    if "." not in key:
        return _unknown_group(match, command)
    head, name, *_ = key.split(".")
    if head == "term" and (config_folder() / "term" / f"{name}.yaml").is_file():
        return f"'{name}' is none of this run's terms: choose it in the list, as in term=[{name}]."
    return f"There is no configuration key '{key}'{_nearest(key, list(_keys(command)), command)}"


def _unknown_option(match: re.Match[str], command: _Command) -> str:
    group, _, option = match["path"].rpartition("/")
    options = sorted(file.stem for file in (config_folder() / group).glob("[!_]*.yaml"))
    options = re.findall(r"^\s+([^\s_]\S*)$", match.groupdict().get("options", ""), re.MULTILINE) or options
    near = difflib.get_close_matches(option, options, 3, 0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"There is no '{option}' in the group '{group}'{hint} It has: {', '.join(options)}."


def _unknown_group(match: re.Match[str], command: _Command) -> str:
    names = sorted({*groups(command.config), *(key for key in _keys(_Command([], command.config)) if "." not in key)})
    if match["key"] in names:
        reason = next((line.strip() for line in match.string.splitlines()[1:] if line.strip()), "see --cfg job")
        key = match["key"]
        return f"'{key}' cannot be set like that ({reason}); a new key below it needs a plus: +{key}.KEY=VALUE."
    names += [key for key in _keys(command) if key.endswith(f".{match['key']}")]
    return f"There is no configuration key or group '{match['key']}'{_nearest(match['key'], names, command)}"


def _no_word(match: re.Match[str], command: _Command) -> str:
    known = groups(command.config)
    words = [word for word in command.overrides if word.partition("=")[0] in known]
    near = " or ".join(f"'{word}'" for word in words if not re.match(r"[A-Za-z_\[]", word.partition("=")[2]))
    return f"A group takes the name of one of its options, and {near or 'one of these'} is none: see --help for them."


def _no_folder(match: re.Match[str], command: _Command) -> str:
    return f"There is no folder '{match['path']}': --config-dir names one that holds configurations."


def _syntax(match: re.Match[str], command: _Command) -> str:
    return f"'{match['override']}' is not of the form key=value: see 'ganforge {command.config} --help'."


def _sweep_without_flag(match: re.Match[str], command: _Command) -> str:
    key = match["override"].partition("=")[0]
    return (
        f"'{match['override']}' names several values: add -m to take them one after another, or write a list as "
        f"{key}=[...]."
    )


def _reference(match: re.Match[str], command: _Command) -> str:
    return cannot_resolve(
        match, command.overrides, command.config, lambda key: _nearest(key, list(_keys(command)), command)
    )


def _no_home(match: re.Match[str], command: _Command) -> str:
    return (
        "This user has no home folder here, where '~/.cache/ganforge' is kept: name another folder with "
        "paths.cache=FOLDER, or for all commands with GANFORGE_CACHE=FOLDER in the environment."
    )


_PATTERNS = (
    (r"Could not find '(?P<path>[^']+)'\s*Available options in '[^']*':(?P<options>.*)", _unknown_option),
    (r"Could not load '(?P<path>[^']+)'", _unknown_option),
    (r"Config group override must be a string or a list", _no_word),
    (r"Additional config directory '(?P<path>[^']+)' not found", _no_folder),
    (
        r"Could not override '(?P<key>[^'@]+)[^']*'\.\s*(?:No match in the defaults list|Did you mean)",
        _unknown_group,
    ),
    (r"Could not override '(?P<key>[^']+)'", _unknown_key),
    (r"Key '(?P<key>[^']+)' is not in struct", _unknown_key),
    (r"Ambiguous value for argument '(?P<override>[^']+)'", _sweep_without_flag),
    (r"Error parsing override '(?P<override>[^']*)'", _syntax),
    (r"Could not determine home directory|Can't determine home directory", _no_home),
    *((pattern, _reference) for pattern in REFERENCES),
)


def _nearest(key: str, names: list[str], command: _Command) -> str:
    """Return the valid names nearest to ``key``, whole paths or last parts."""
    near = difflib.get_close_matches(key, names, 3, 0.6)
    last = key.rpartition(".")[2]
    by_last = {name.rpartition(".")[2]: name for name in names}
    near += [by_last[name] for name in difflib.get_close_matches(last, list(by_last), 2, 0.7)]
    near = list(dict.fromkeys(near))[:3]
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f": see 'ganforge {command.config} --cfg job' for all keys."


def _keys(command: _Command) -> Iterator[str]:
    """Yield every dotted key."""
    from omegaconf import DictConfig

    def walk(node: DictConfig, prefix: str) -> Iterator[str]:
        for key in map(str, node):
            yield f"{prefix}{key}"
            child = node[key]
            if isinstance(child, DictConfig) and f"{prefix}{key}" not in ("recipe", "budget"):  # what options read
                yield from walk(child, f"{prefix}{key}.")

    yield from walk(default_config(command.overrides, command.config), "")


def _instantiation(error: BaseException, text: str) -> str:
    """Name the configuration node and the reason, without Hydra's frame."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    key = re.search(r"full_key: (\S+)", text)
    target = re.search(r"Error (?:in call to target|locating target|instantiating) '([^']+)'", text)
    place = f"{key[1]}: " if key else ""
    return f"{place}{target[1] if target else 'the object'} cannot be built: {first_line(cause)}"
