"""Variants: runs whose configurations differ in nothing but the seed, and their names."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ganforge.reports.reading import Run

__all__ = ["ABSENT", "Variant", "differing_keys", "distinctions", "group", "plain", "short_key", "value_text"]

#: Stands for a key that a configuration does not have.
ABSENT = "(absent)"

#: Nodes that repeat values of the axes' nodes by interpolation.
_MIRRORS = ("model.", "callbacks.")

#: Groups whose option does not change what is computed.
_MACHINE_GROUPS = ("logger", "trainer", "debug", "experiment", "callbacks")

#: Keys tried in every combination for the shortest label; beyond it they are taken in order.
_TRIED = 14


@dataclass(frozen=True)
class Variant:
    """Runs of one configuration.

    Attributes:
        label: the shortest set of differing keys that identifies it, such as ``model=dcgan loss=hinge``.
        settings: the configuration by dotted key.
        options: the options taken from groups, of the first run that recorded them.
        runs: all, in order of seeds.
        counted: the runs that tables and tests are made from: the finished ones, or all if none is finished.
    """

    label: str
    settings: Mapping[str, object]
    options: Mapping[str, str]
    runs: tuple[Run, ...]
    counted: tuple[Run, ...]

    @property
    def finished(self) -> bool:
        """Whether its counted runs are finished ones."""
        return all(run.state == "finished" for run in self.counted)


def group(runs: Iterable[Run]) -> tuple[list[Variant], list[str]]:
    """Group runs with a readable configuration into variants, with notes on the runs left out.

    A seed that was trained twice counts once: the repetition gives the same values and no new evidence.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.settings:
            groups.setdefault(json.dumps(run.settings, sort_keys=True, default=str), []).append(run)
    notes: list[str] = []
    variants: list[Variant] = []
    for members in groups.values():
        kept = sorted(_once_a_seed(members, notes), key=lambda run: (isinstance(run.seed, str), run.seed))
        finished = tuple(run for run in kept if run.state == "finished")
        measured = tuple(run for run in kept if run.series)
        options = next((run.choices for run in kept if run.choices), {})
        variants.append(Variant("", kept[0].settings, options, tuple(kept), finished or measured))
    labels = _labels(variants)
    named = [
        Variant(label, variant.settings, variant.options, variant.runs, variant.counted)
        for label, variant in zip(labels, variants, strict=True)
    ]
    return sorted(named, key=lambda variant: variant.label), notes


def _once_a_seed(runs: list[Run], notes: list[str]) -> list[Run]:
    """Keep the run of each seed that got furthest."""
    kept: dict[int | str, Run] = {}
    for run in sorted(runs, key=lambda run: (run.state != "finished", -run.images_seen)):
        if run.seed in kept:
            notes.append(
                f"{run.name} repeats seed {run.seed} of {kept[run.seed].name}, which got as far or further: it is left "
                "out, since it is no new evidence."
            )
        kept.setdefault(run.seed, run)
    return list(kept.values())


def plain(value: object) -> str:
    """Return a configuration's value as short text; a class by its last name."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{','.join(plain(item) for item in value)}]"
    if isinstance(value, dict):
        return "{}" if not value else json.dumps(value)
    text = str(value)
    if text.startswith("ganforge.networks."):  # many have a class Generator
        return ".".join(text.split(".")[-2:])
    return text.rpartition(".")[2] if text.startswith(("ganforge.", "torch.")) else text


def short_key(key: str) -> str:
    """Return a key as on the command line: a class is named by its node."""
    return key.removesuffix("._target_")


def value_text(variant: Variant, key: str) -> str:
    """Return a variant's value of ``key`` as short text."""
    return plain(variant.settings[key]) if key in variant.settings else ABSENT


def differing_keys(variants: Sequence[Variant]) -> list[str]:
    """Return the configuration's keys in which variants differ, each fact once.

    A value that another node repeats by interpolation is listed where it is set: ``model.total_kimg`` by
    ``total_kimg``, ``network.generator.width`` by ``network.width``.
    """
    keys = sorted({key for variant in variants for key in variant.settings}, key=lambda key: (key.count("."), key))
    columns = {key: tuple(_value(variant, key) for variant in variants) for key in keys}
    differing = {key: column for key, column in columns.items() if len(set(column)) > 1}
    kept: list[str] = []
    for key, column in differing.items():
        parent, _, last = key.rpartition(".")
        duplicates = [other for other in differing if other != key and differing[other] == column]
        duplicates = [other for other in duplicates if other.rpartition(".")[2] == last]
        if key.startswith(_MIRRORS) and any(not other.startswith(_MIRRORS) for other in duplicates):
            continue
        if any(_encloses(other.rpartition(".")[0], parent) for other in duplicates):
            continue
        kept.append(key)
    return kept


def _encloses(outer: str, inner: str) -> bool:
    return outer != inner and (not outer or inner.startswith(f"{outer}."))


def _value(variant: Variant, key: str) -> str:
    return json.dumps(variant.settings[key], default=str) if key in variant.settings else ABSENT


def distinctions(variants: Sequence[Variant]) -> dict[str, list[str]]:
    """Return everything in which variants differ as short text, one value a variant: groups' options, then keys.

    Keys are named by their shortest end that no other differing key has: ``width`` for ``network.width``.
    """
    found = {option: [variant.options[option] for variant in variants] for option in _differing_options(variants)}
    keys = differing_keys(variants)
    names = [short_key(key) for key in keys]
    for key, name in zip(keys, names, strict=True):
        if name not in found:
            found[_end(name, {*names, *found} - {name})] = [value_text(variant, key) for variant in variants]
    return found


def _end(name: str, others: set[str]) -> str:
    """Return the shortest dotted end of ``name`` that is no end of another name."""
    parts = name.split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts) - 1, 0, -1))
    taken = [f".{other}" for other in others]
    return next((end for end in ends if not any(other.endswith(f".{end}") for other in taken)), name)


def _labels(variants: Sequence[Variant]) -> list[str]:
    """Return each variant's shortest name."""
    candidates = distinctions(variants)
    if not candidates:
        return [_alone(variant) for variant in variants]
    chosen = _shortest(candidates, len(variants))
    labels = [" ".join(f"{key}={candidates[key][row]}" for key in chosen) for row in range(len(variants))]
    return _numbered(labels)


def _differing_options(variants: Sequence[Variant]) -> list[str]:
    """Return the groups whose option differs, the variant's own group first; none if a run did not record them."""
    if not variants or any(not variant.options for variant in variants):
        return []
    shared = set.intersection(*(set(variant.options) for variant in variants)) - set(_MACHINE_GROUPS)
    differing = [option for option in shared if len({variant.options[option] for variant in variants}) > 1]
    return sorted(differing, key=lambda option: (option != "model", option != "data", option))


def _shortest(candidates: Mapping[str, Sequence[str]], rows: int) -> tuple[str, ...]:
    """Return the fewest keys whose values distinguish all rows; earlier keys are preferred."""
    keys = list(candidates)

    def parts(chosen: Sequence[str]) -> int:
        return len({tuple(candidates[key][row] for key in chosen) for row in range(rows)})

    for size in (1, 2, 3):
        for chosen in combinations(keys[:_TRIED], size):
            if parts(chosen) == rows:
                return chosen
    taken: list[str] = []
    for key in keys:
        if parts([*taken, key]) > parts(taken):
            taken.append(key)
    return tuple(taken)


def _alone(variant: Variant) -> str:
    option = variant.options.get("model")
    if option:
        return f"model={option}"
    return f"model={plain(variant.settings.get('model._target_', 'unknown'))}"


def _numbered(labels: list[str]) -> list[str]:
    """Number labels that are equal after shortening values."""
    return [
        f"{label} ({labels[: row + 1].count(label)})" if labels.count(label) > 1 else label
        for row, label in enumerate(labels)
    ]
