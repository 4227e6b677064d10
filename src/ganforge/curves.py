"""Loss and metric curves of one run, as a picture."""

import csv
from collections import defaultdict
from pathlib import Path

__all__ = ["draw_curves", "read_curves"]

Curve = tuple[list[float], list[float]]


def read_curves(path: Path) -> dict[str, Curve]:
    """Read a run's ``metrics.csv`` into ``{name: (images seen, values)}``; a half-written last line is left out."""
    curves: dict[str, Curve] = defaultdict(lambda: ([], []))
    if not path.exists():
        return {}
    with path.open(newline="") as handle:
        for row in csv.DictReader(handle):
            try:
                images, value = float(row["images_seen"]), float(row["value"])
            except (KeyError, TypeError, ValueError):
                continue
            curves[row["name"]][0].append(images)
            curves[row["name"]][1].append(value)
    return dict(curves)


def draw_curves(source: Path, target: Path) -> None:
    """Draw one panel a group (generator, discriminator, metrics), against thousands of images."""
    from matplotlib.figure import Figure

    groups: dict[str, dict[str, Curve]] = defaultdict(dict)
    for name, curve in read_curves(source).items():
        group, _, label = name.partition("/")
        if group == "metrics":
            if label.endswith("_std"):
                continue
            group = label
        groups[group][label] = curve
    shown = [group for group in groups if group not in ("speed", "schedule", "augment")]
    if not shown:
        return
    figure = Figure(figsize=(4.6 * len(shown), 3.4), layout="constrained")
    for axes, group in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for label, (images, values) in groups[group].items():
            marker = "o" if len(images) < 40 else None
            axes.plot(
                [seen / 1000 for seen in images],
                values,
                label=label,
                linewidth=1.2,
                marker=marker,
                markersize=3,
            )
        axes.set(title=group.replace("_", " "), xlabel="images seen (thousands)")
        axes.grid(alpha=0.3)
        if len(groups[group]) > 1:
            axes.legend(fontsize="small")
    temporary = target.with_name(f".{target.name}")
    figure.savefig(temporary, dpi=110, format="png")
    temporary.replace(target)
