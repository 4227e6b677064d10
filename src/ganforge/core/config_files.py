"""People's own files of configuration: keys that nothing reads. Imports no torch."""

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from ganforge.core.config import default_config
from ganforge.core.containers import plain
from ganforge.core.errors import GanforgeError
from ganforge.core.yaml_files import read_yaml

if TYPE_CHECKING:
    from hydra.conf import HydraConf

__all__ = ["check_read", "own_folders"]

#: What an interpolation refers to, a resolver's arguments included.
_REFERENCES = re.compile(r"\$\{(?:[\w.]+:)?\s*([\w.]+)")


def own_folders(hydra: "HydraConf") -> list[Path]:
    """Return people's own folders among Hydra's sources of configurations."""
    sources = hydra.runtime.config_sources
    return [Path(one.path) for one in sources if one.schema == "file" and one.provider not in ("main", "schema")]


def check_read(config: DictConfig, hydra: "HydraConf") -> None:
    """Refuse a file of one's own with a key, at the top or of ``network``, that no command, class or reference reads.

    It is a typing error, most likely. What is added on the command line, as ``+note=...``, is taken for a note.

    Args:
        config: the composed configuration, its interpolations unresolved.
        hydra: Hydra's own part of it.

    Raises:
        GanforgeError: naming file and key.
    """
    folders = own_folders(hydra)
    defaults = default_config(config_name=hydra.job.config_name or "train") if folders else OmegaConf.create()
    if not defaults:  # of a primary configuration of one's own, nothing is known
        return
    raw = plain(config, resolve=False)
    text = f"{raw} {OmegaConf.to_container(hydra, resolve=False)}"
    read = {*map(str, defaults), *_REFERENCES.findall(text)}
    network = raw.get("network")
    children = [f"network.{key}" for key in network] if isinstance(network, dict) else []
    unread = {key for key in [*raw, *children] if not any(_covers(one, key) for one in read if one != "network")}
    unread.discard("network")
    chosen = {f"{group}/{option}.yaml" for group, option in hydra.runtime.choices.items()}
    files = [(folder, file) for folder in folders for file in sorted(folder.rglob("*.yaml"))]
    files.sort(key=lambda pair: pair[1].relative_to(pair[0]).as_posix() not in chosen)
    for folder, file in files:
        package, keys = _sets(folder, file)
        for key in unread.intersection(keys):
            raise GanforgeError(f"'{file}' sets '{key}', which nothing reads: {_way_out(key, package, defaults)}")


def _covers(read: str, key: str) -> bool:
    """Whether a key is read when ``read`` is: that, something in it, or all that it is part of."""
    return f"{key}.".startswith(f"{read}.") or read.startswith(f"{key}.")


def _way_out(key: str, package: str, defaults: DictConfig) -> str:
    if key == package:
        return "let the file begin with the line '# @package _global_' for its keys to stand at the top."
    parent, _, last = key.rpartition(".")
    names = list(map(str, defaults[parent] if parent else defaults))
    near = [f"{parent}.{name}".lstrip(".") for name in difflib.get_close_matches(last, names, 2, 0.6)]
    return f"did you mean {' or '.join(near)}?" if near else f"refer to it as ${{{key}}}, or remove it."


def _sets(folder: Path, file: Path) -> tuple[str, list[str]]:
    """Return where a file's values go, empty for the top, and the keys that it sets there and one level below."""
    try:
        text, content = file.read_text(encoding="utf-8-sig"), read_yaml(file)
    except (OSError, ValueError):  # not what was composed
        return "", []
    match = re.match(r"(?:\s*#\s*@.*\n)*?\s*#\s*@package\s+(\S+)", text)
    group = ".".join(file.parent.relative_to(folder).parts)
    package = {"_global_": "", "_group_": group}.get(match[1], match[1]) if match else group
    entries = content.items() if isinstance(content, dict) else ()
    values: dict[str, object] = {str(key): value for key, value in entries if key != "defaults"}
    if package:
        return package, [package, *(f"{package}.{key}" for key in values)] if values else []
    below = [f"{key}.{child}" for key, value in values.items() if isinstance(value, dict) for child in value]
    return "", [*values, *below]
