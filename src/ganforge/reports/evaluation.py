"""An evaluation on one page, and its values for programs."""

import base64
import csv
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

from torch import Tensor

from ganforge import __version__
from ganforge.core.errors import GanforgeError
from ganforge.core.files import OwnFiles, write_text
from ganforge.reports.panels import Panel, precision_recall
from ganforge.reports.style import without_formulas

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

__all__ = ["Measured", "Real", "RealImages", "check_place", "write"]

_FILES = ("page.html", "page.png", "values.json", "values.csv")


class RealImages(TypedDict):
    """What identifies one split of the real images."""

    images: int
    fingerprint: str


class Real(TypedDict):
    """The real images that samples are compared with."""

    name: str
    train: RealImages
    heldout: RealImages


class Measured(Protocol):
    """One protocol's values, as :class:`ganforge.commands.evaluate.Result` has them."""

    @property
    def tag(self) -> str:
        """The protocol's name and hash."""

    @property
    def description(self) -> Mapping[str, object]:
        """The protocol as plain values."""

    @property
    def values(self) -> Mapping[str, float]:
        """Means over the sets of samples, by name."""

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """95 % intervals, by name."""


def check_place(output: Path, real: Real) -> None:
    """Refuse a folder that holds an evaluation against other real images.

    Raises:
        GanforgeError: if it does.
    """
    try:
        before = json.loads((output / "values.json").read_text())["real"]
        parts = {"train": real["train"], "heldout": real["heldout"]}
        same = all(before[part]["fingerprint"] == images["fingerprint"] for part, images in parts.items())
    except (OSError, ValueError, KeyError, TypeError):
        return
    if not same:
        raise GanforgeError(
            f"'{output}' holds an evaluation against other real images, {before.get('name')}: choose another folder "
            "with output=, or delete it."
        )


def write(
    title: str,
    results: Mapping[str, Measured],
    real: Real,
    draw: Callable[[], Sequence[Panel]],
    output: Path,
) -> list[Path]:
    """Write ``values.json``, ``values.csv``, ``page.html`` and ``page.png``, each with every value's protocol.

    Args:
        title: of the evaluation.
        results: a :class:`ganforge.commands.evaluate.Result` a protocol.
        real: what it was compared with; see :class:`ganforge.commands.subjects.Subject`.
        draw: gives pictures to show; called once the values are on the disk.
        output: folder; what an earlier evaluation left there is replaced.

    Raises:
        GanforgeError: if a file of these names is there that is not an evaluation's.
    """
    OwnFiles(output).claim(*_FILES)
    _values(title, results, real, output)
    panels = draw()
    figure = _figure(title, results, panels)
    without_formulas(figure).savefig(output / "page.png", dpi=110)
    write_text(output / "page.html", _html(title, results, real, panels))
    return [output / name for name in _FILES]


def _values(title: str, results: Mapping[str, Measured], real: Real, output: Path) -> None:
    """Write the values for programs."""
    document = {
        "subject": title,
        "real": real,
        "ganforge": __version__,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "protocols": {
            name: {
                "tag": result.tag,
                "values": result.values,
                "intervals": result.intervals,
                "protocol": result.description,
            }
            for name, result in results.items()
        },
    }
    write_text(output / "values.json", json.dumps(document, indent=2) + "\n")
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(("protocol", "name", "value", "low", "high"))
    for result in results.values():
        for name, value in result.values.items():
            writer.writerow(
                (result.tag, name, f"{value:.8g}", *(f"{end:.8g}" for end in result.intervals.get(name, ())))
            )
    write_text(output / "values.csv", rows.getvalue())


def _lines(results: Mapping[str, Measured]) -> list[tuple[str, str, str, str]]:
    """Return protocol, name, value and interval of each value as text."""
    lines = []
    for result in results.values():
        for name, value in result.values.items():
            low_high = result.intervals.get(name)
            interval = "" if low_high is None else f"{low_high[0]:.4g} to {low_high[1]:.4g}"
            lines.append((result.tag, name.replace("_", " "), f"{value:.5g}", interval))
    return lines


def _figure(title: str, results: Mapping[str, Measured], panels: Sequence[Panel]) -> "Figure":
    """Draw everything on one sheet."""
    from matplotlib.figure import Figure

    lines = _lines(results)
    table_height = 0.22 * (len(lines) + 2) + 0.6
    rows = [panels[start : start + 2] for start in range(0, len(panels), 2)]
    figure = Figure(figsize=(11, table_height + 5.2 * len(rows)), layout="constrained")
    grid = figure.add_gridspec(1 + len(rows), 2, height_ratios=[table_height, *[5.2] * len(rows)])
    axis = figure.add_subplot(grid[0, :])
    axis.axis("off")
    axis.set_title(title, loc="left", fontsize=12, fontweight="bold")
    table = axis.table(
        [*lines],
        colLabels=["protocol", "value", "", "95 % interval"],
        loc="upper left",
        cellLoc="left",
        edges="horizontal",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    for row, pair in enumerate(rows):
        for column, panel in enumerate(pair):
            axis = figure.add_subplot(grid[row + 1, column])
            axis.set_title(panel.title, loc="left", fontsize=10)
            if panel.picture is None:
                precision_recall(axis, panel.points)
            else:
                axis.imshow(panel.picture.permute(1, 2, 0).numpy(), interpolation="nearest")
                axis.axis("off")
    return figure


def _html(title: str, results: Mapping[str, Measured], real: Real, panels: Sequence[Panel]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("ganforge.reports"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("evaluation.html").render(
        title=title,
        real=real,
        lines=_lines(results),
        panels=[(panel.title, panel.caption, _data_uri(panel)) for panel in panels],
        protocols={result.tag: json.dumps(result.description, indent=2) for result in results.values()},
        version=__version__,
    )


def _data_uri(panel: Panel) -> str:
    """Return a panel as a PNG inside an address."""
    handle = io.BytesIO()
    if panel.picture is None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 4), layout="constrained")
        precision_recall(figure.add_subplot(), panel.points)
        figure.savefig(handle, dpi=110)
    else:
        _image(panel.picture).save(handle, format="png")
    return f"data:image/png;base64,{base64.b64encode(handle.getvalue()).decode()}"


def _image(picture: Tensor) -> "Image.Image":
    """Return a picture, small ones enlarged so that pixels are seen."""
    from PIL import Image

    image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    zoom = max(1, 640 // image.width)
    return image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
