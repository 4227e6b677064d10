"""Loss and metric curves of one run, as a picture."""

from collections import defaultdict
from pathlib import Path

from ganforge.reports.style import without_formulas
from ganforge.runs.log import Curve, read_curves

__all__ = ["draw_curves"]


def _groups(source: Path) -> dict[str, dict[str, Curve]]:
    """Return the curves of each panel by their labels."""
    groups: dict[str, dict[str, Curve]] = defaultdict(dict)
    for name, curve in read_curves(source).items():
        group, _, label = name.partition("/")
        if group == "metrics":
            if label.endswith("_std"):
                continue
            group = label
        elif label == "gradient_norm":
            group, label = "gradient norm", group
        groups[group][label] = curve
    return {
        group: curves for group, curves in groups.items() if group not in ("speed", "schedule", "augment", "health")
    }


def draw_curves(source: Path, target: Path) -> None:
    """Draw one panel a group (generator, discriminator, metrics), against thousands of images."""
    from matplotlib.figure import Figure

    groups = _groups(source)
    if not groups:
        return
    figure = Figure(figsize=(4.6 * len(groups), 3.4), layout="constrained")
    for axes, group in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
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
    without_formulas(figure).savefig(temporary, dpi=110, format="png")
    temporary.replace(target)
