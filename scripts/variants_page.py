"""Write docs/variants.md, a description of every variant, from its configuration and the gallery's ledger.

python scripts/variants_page.py
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import gallery_page
from ganforge.core.config import config_folder

DOCS = Path(__file__).parents[1] / "docs"
#: Whose axes the others are compared with.
BASE = "dcgan"


@dataclass(frozen=True)
class Variant:
    """A variant as its file describes it."""

    name: str
    paper: str
    description: str
    choices: dict[str, str]
    values: tuple[str, ...]

    def differences(self, base: "Variant") -> str:
        """Return the options that differ from ``base``'s, and the file's own values."""
        words = [f"{axis}={choice}" for axis, choice in self.choices.items() if choice != base.choices.get(axis)]
        return " ".join(f"`{word}`" for word in [*words, *self.values]) or "nothing"


@dataclass(frozen=True)
class Rungs:
    """What holds a variant to its paper: an official parameter count, official steps, the paper's result."""

    shape: dict[str, Any]
    step: tuple[str, ...]
    result: str | None

    def row(self, name: str) -> str:
        """Return the variant's row of the table."""
        shape = "{generator:,} + {discriminator:,} ({code})".format(**self.shape) if self.shape else "-"
        return f"| {name} | {shape} | {', '.join(self.step) or '-'} | {self.result or 'not run'} |"


def evidence() -> dict[str, Rungs]:
    """Return what docs/evidence.yaml has, by variant."""
    entries = load(DOCS / "evidence.yaml").items()
    return {
        name: Rungs(rungs.get("shape", {}), tuple(rungs.get("step", ())), rungs.get("result"))
        for name, rungs in entries
    }


def evidence_table(names: Iterable[str]) -> list[str]:
    """Return the table of every variant's rungs."""
    rungs = evidence()
    return [
        "## Evidence",
        "",
        "From [evidence.yaml](evidence.yaml). Shape: parameters of the generator and of the discriminator, as the code "
        "named counts them. Step: golden traces of that code, whose losses, gradients and weights over three steps "
        "`tests/traces/test_traces.py` reproduces within 1e-6. Result: the paper's number, from a run of full size.",
        "",
        "| variant | shape | step | result |",
        "|---|---|---|---|",
        *(rungs.get(name, Rungs({}, (), None)).row(name) for name in names),
        "",
    ]


def flatten(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield ``a.b=value`` for every value of nested mappings."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield f"{prefix}={node}"


def choices(entries: list[Any]) -> dict[str, str]:
    """Return the option that a defaults list chooses on each axis, its variants' own lists first."""
    chosen: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, dict):
            (axis, option), *_ = entry.items()
            option = f"[{','.join(option)}]" if isinstance(option, list) else str(option)
            chosen[axis.removeprefix("override").strip(" /")] = option
        elif entry != "_self_":
            chosen |= choices(load(config_folder() / "model" / f"{entry}.yaml").get("defaults", []))
    return chosen


def load(path: Path) -> dict[str, Any]:
    """Return a file of the configuration as it is written."""
    loaded = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(loaded, dict)
    return {str(key): value for key, value in loaded.items()}


def read(path: Path) -> Variant:
    """Read a variant: the first comment is its paper, the others say what it is."""
    head = path.read_text().partition("defaults:")[0].splitlines()
    comments = [line[2:] for line in head if line.startswith("# ") and not line.startswith("# @")]
    body = load(path)
    common = choices(load(config_folder() / "train.yaml")["defaults"])
    chosen = common | choices(body["defaults"])
    return Variant(path.stem, comments[0], " ".join(comments[1:]), chosen, _last_of_each(values(body)))


def _last_of_each(settings: Iterator[str]) -> tuple[str, ...]:
    """Return ``a.b=value`` for every key once, as the last one has it."""
    last = {setting.partition("=")[0]: setting for setting in settings}
    return tuple(last.values())


def values(body: dict[str, Any]) -> Iterator[str]:
    """Yield what a file and those that it is built on set, but for the recipe, which docs/official.md has."""
    for entry in body.get("defaults", []):
        if isinstance(entry, str) and entry not in ("_self_", "_gan"):
            yield from values(load(config_folder() / "model" / f"{entry}.yaml"))
    yield from flatten({key: value for key, value in body.items() if key not in ("defaults", "recipe")})


def variants() -> list[Variant]:
    """Read every variant, found on disk."""
    return [read(path) for path in sorted((config_folder() / "model").glob("[!_]*.yaml"))]


def measured() -> dict[str, str]:
    """Return what the gallery's ledger says of each variant in it: its runs that are alive, and what they took."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for line in gallery_page.read(DOCS).values():
        runs.setdefault(line["variant"], []).append(line)
    return {name: _alive(lines) for name, lines in runs.items()}


def _alive(lines: list[dict[str, Any]]) -> str:
    alive = [line for line in lines if line["verdict"] == "alive"]
    took = sorted(line["cpu_seconds"] for line in alive)
    seconds = f", after {took[0]} to {took[-1]} s of one core" if took else ""
    return f"draws digits in {len(alive)} of {len(lines)} runs{seconds}"


def page(alive: dict[str, str]) -> str:
    """Return the page."""
    found = variants()
    base = next(variant for variant in found if variant.name == BASE)
    lines = [
        "# Variants",
        "",
        f"Made by `python scripts/variants_page.py` from `conf/model/`. Differences are from `model={BASE}`: "
        "options of axes first, then values that the file sets. Widths, rates and the rest of each recipe, beside the "
        "official ones, are in [official.md](official.md).",
        "",
        "Whether and how soon it draws digits with `budget=small` is from [the gallery](gallery.md), which says what "
        "that means; it does not rank papers.",
        "",
        *evidence_table(variant.name for variant in found),
    ]
    for variant in found:
        file = f"conf/model/{variant.name}.yaml"
        lines += [f"## {variant.name}", "", f"{variant.paper} {variant.description}".strip(), ""]
        lines += [f"- differs by {variant.differences(base)}"]
        lines += [f"- [{file}](../{file}); `ganforge train model={variant.name}`"]
        lines += [f"- {alive[variant.name]}"] if variant.name in alive else []
        lines += [""]
    return "\n".join(lines)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    target = DOCS / "variants.md"
    target.write_text(page(measured()))
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
