"""Write docs/official.md: official hyper-parameters beside those that a variant's configuration composes to.

python scripts/recipes_page.py
"""

import argparse
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from ganforge.core.config import compose

DOCS = Path(__file__).parents[1] / "docs"
OFFICIAL = Path(__file__).parents[1] / "tests" / "zoo" / "official.yaml"


@dataclass(frozen=True)
class Value:
    """One hyper-parameter: official, and what ours must be, which differs where ``why`` says so."""

    key: str
    official: Any
    expected: Any
    source: str
    why: str | None = None


@dataclass(frozen=True)
class Row:
    """A variant at one setting."""

    name: str
    model: str
    words: tuple[str, ...]
    values: tuple[Value, ...]
    parameters: tuple[int | None, int | None] | None
    data: str | None = None

    def composed(self) -> DictConfig:
        """Compose the variant on the paper's data; nothing is downloaded."""
        return _composed((f"model={self.model}", *self.words))


@cache
def _composed(words: tuple[str, ...]) -> DictConfig:
    return compose(words)


def official() -> dict[str, Any]:
    """Read the official values."""
    loaded: dict[str, Any] = yaml.safe_load(OFFICIAL.read_text())
    return loaded


def rows(table: dict[str, Any]) -> list[Row]:
    """Return the table's variants, then their other settings."""
    found = []
    for name, entry in [*table["variants"].items(), *table["elsewhere"].items()]:
        values = {**entry["values"], **entry.get("also", {})}
        parameters = entry.get("parameters")
        found.append(
            Row(
                name,
                entry.get("model", name),
                tuple(entry["compose"]),
                tuple(_value(key, value, entry["source"]) for key, value in values.items()),
                None if parameters is None else tuple(parameters),
                entry.get("data"),
            )
        )
    return found


def _value(key: str, value: Any, source: str) -> Value:
    if isinstance(value, dict) and "why" in value:
        return Value(key, value["official"], value["ours"], source, value["why"])
    if isinstance(value, dict) and "from" in value:
        return Value(key, value["is"], value["is"], value["from"])
    return Value(key, value, value, source)


def ours(config: DictConfig, key: str) -> Any:
    """Return what a configuration has under a key: classes by their names, schedules by their first and last values."""
    if key.startswith("schedules."):
        schedule: Any = instantiate(OmegaConf.select(config.model, key))
        return [schedule(0), schedule(round(config.total_kimg * 1000))]
    if key == "ema":
        return None if config.model.ema is None else config.model.ema._target_.rpartition(".")[2]
    if key == "network":
        return str(config.network.generator._target_.split(".")[-2])
    found = OmegaConf.select(config, key)
    if OmegaConf.is_dict(found) and "_target_" in found:
        return found._target_.rpartition(".")[2]
    return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found


def shown(value: Any) -> str:
    """Return a value as a table shows it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items()) or "none"
    return "none" if value is None else f"{value:.7g}" if isinstance(value, float) else str(value)


def page(found: list[Row], sources: dict[str, str]) -> str:
    """Return the page."""
    lines = [
        "# Official hyper-parameters beside ours",
        "",
        "Made by `python scripts/recipes_page.py` from `tests/zoo/official.yaml` and the composed configurations,",
        "which `tests/zoo/test_recipes.py` compares. Deviations have their reason in brackets. How they get there is",
        "in [recipes.md](recipes.md). `total_kimg` is thousands of real images that the critic sees, `schedules`",
        "the values at a run's start and end.",
        "",
    ]
    for row in found:
        config = row.composed()
        command = " ".join(["ganforge train", f"model={row.model}", *row.words])
        data = f" The paper's data are {row.data}: [translation.md](translation.md)." if row.data else ""
        lines += [f"## {row.name}", "", f"`{command}`{data}", ""]
        lines += ["| key | official | ours | from |", "|---|---|---|---|"]
        for value in row.values:
            mine = shown(ours(config, value.key)) + (f" ({value.why})" if value.why else "")
            lines.append(f"| `{value.key}` | {shown(value.official)} | {mine} | {value.source} |")
        if row.parameters:
            for player, count in zip(("generator", "discriminator"), row.parameters, strict=True):
                lines += [f"| parameters, {player} | {count:,} | {count:,} | counted |"] if count else []
        lines.append("")
    lines += ["## Sources", "", *(f"- {name}: {text}" for name, text in sources.items()), ""]
    return "\n".join(lines)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    table = official()
    target = DOCS / "official.md"
    target.write_text(page(rows(table), table["sources"]))
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
