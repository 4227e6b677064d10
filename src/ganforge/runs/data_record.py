"""A run's data, by fingerprints: recorded when it begins, compared when it goes on or is evaluated."""

from collections.abc import Mapping

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import DATA, Split, Splits

__all__ = ["Record", "changes", "check_data", "fingerprints"]

Record = dict[str, dict[str, int | str]]


def fingerprints(splits: Splits) -> Record:
    """Return of both splits the number of samples, and every column's fingerprint."""
    return {"train": _fingerprints(splits.train), "heldout": _fingerprints(splits.heldout)}


def _fingerprints(split: Split) -> dict[str, int | str]:
    columns = {DATA: split.data, **split.given}
    return {"samples": len(split), **{name: column.fingerprint for name, column in columns.items()}}


def changes(recorded: object, splits: Splits) -> str | None:
    """Return in words how data differ from what was recorded; ``None`` if they do not, or nothing is recorded."""
    if not isinstance(recorded, Mapping):
        return None
    found = []
    for name, now in fingerprints(splits).items():
        before = recorded.get(name)
        if not isinstance(before, Mapping) or before == now:
            continue
        if before.get("samples") != now["samples"]:
            found.append(f"{name} held {before.get('samples')} samples and holds {now['samples']:,}")
        else:
            columns = [key for key in dict.fromkeys((*before, *now)) if before.get(key) != now.get(key)]
            found.append(f"other {' and '.join(columns)} in {name}")
    return "; ".join(found) or None


def check_data(recorded: object, splits: Splits, run: object, way_out: str) -> None:
    """Refuse data that are not those that a run was trained on.

    Args:
        recorded: what ``run.json`` keeps.
        splits: what is there now.
        run: the run's folder, for the sentence.
        way_out: what to type.

    Raises:
        GanforgeError: naming what has changed.
    """
    found = changes(recorded, splits)
    if found is not None:
        raise GanforgeError(f"The data of '{run}' have changed since it was trained ({found}): {way_out}")
