"""In what two runs' settings differ. Imports no torch."""

from collections.abc import Iterator, Mapping

__all__ = ["ABSENT", "Differences", "describe", "differences", "lengths"]

#: Stands where one of two settings has no such key.
ABSENT = "absent"

#: Keys of schedules and fades that end where the run does.
_ENDS = ("total_kimg", "end_kimg", "kimg")

#: By dotted key, what it was and what it is.
Differences = dict[str, tuple[object, object]]


def differences(there: Mapping[str, object], here: Mapping[str, object]) -> Differences:
    """Return the values in which settings differ, each change once: copies of it deeper down are left out.

    How a run has started and the values that only repeat another one's change (``model.generator.width`` that of
    ``network.width``, a schedule's end that of ``total_kimg``) are not counted.

    Args:
        there: a run's settings, nested, as ``run.json`` has them.
        here: those of the configuration at hand.
    """
    old, new = (
        dict(_flatten({key: value for key, value in one.items() if key != "start"}, "")) for one in (there, here)
    )
    found: Differences = {}
    for key in sorted(dict.fromkeys((*old, *new)), key=lambda key: (key.count("."), key)):
        pair = old.get(key, ABSENT), new.get(key, ABSENT)
        repeats = any(_last(key) == _last(other) and pair == known for other, known in found.items())
        ends_with_the_run = pair == found.get("total_kimg") and _last(key) in _ENDS
        if pair[0] != pair[1] and not ends_with_the_run and not (repeats and key.startswith(("model.", "network."))):
            found[key] = pair
    return found


def lengths(found: Differences) -> tuple[float, float] | None:
    """Return both training lengths in kimg where nothing else differs; else ``None``."""
    there, here = found.get("total_kimg", (None, None))
    if len(found) == 1 and isinstance(there, int | float) and isinstance(here, int | float):
        return there, here
    return None


def describe(found: Differences, limit: int = 4) -> str:
    """Return differences in words: ``optimizer.generator.lr (0.0002 there, 0.001 here)``."""
    words = [f"{key} ({old} there, {new} here)" for key, (old, new) in list(found.items())[:limit]]
    more = len(found) - limit
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _flatten(node: object, prefix: str) -> Iterator[tuple[str, object]]:
    """Yield dotted keys and plain values; a list is one value."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
