"""``ganforge compare``: runs read from their folders, and a report of what they say."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ganforge.core.errors import GanforgeError

if TYPE_CHECKING:
    from ganforge.reports.study import Study

__all__ = ["FORMATS", "compare", "write_report"]

#: What a report can be written as, and the files.
FORMATS = {
    "html": "report.html, one file that opens offline: tables to sort, plots to hover over, samples",
    "png": "the figures as pictures",
    "pdf": "the figures for papers",
    "csv": "rankings.csv, tests.csv and runs.csv in full precision",
    "md": "rankings.md",
    "tex": "rankings.tex, for the package booktabs",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ganforge compare",
        description="Compare variants over seeds: tables with intervals and tests, curves, samples, in one HTML file.",
        epilog="Runs that differ only in the seed are one variant. Values of different protocols or datasets are kept "
        "in tables of their own. formats: " + "; ".join(f"{name}: {what}" for name, what in FORMATS.items()) + ".",
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="outputs/<name>, runs' folders, or any above them")
    parser.add_argument("--out", metavar="DIR", help="where to write (default: comparison/ in the first folder)")
    parser.add_argument("--metric", metavar="NAME", help="what to rank by first (default: fid, if it was measured)")
    parser.add_argument("--target", type=float, metavar="VALUE", help="tell the time to reach this value of the metric")
    parser.add_argument(
        "--formats",
        default="html,png,csv,md,tex",
        metavar="LIST",
        help="of html,png,pdf,csv,md,tex (default: all but pdf)",
    )
    return parser


def compare(words: Sequence[str]) -> int:
    """Read, write the report, and say where it is and how the variants stand; return the exit status."""
    arguments = _parser().parse_args(list(words))
    formats = [name.strip() for name in arguments.formats.split(",") if name.strip()]
    for name in formats:
        if name not in FORMATS:
            raise GanforgeError(f"There is no format '{name}': choose with --formats from {', '.join(FORMATS)}.")
    from ganforge.core.console import log_to, say
    from ganforge.reports.page import check_installed
    from ganforge.reports.study import read_study

    if "html" in formats:
        check_installed()
    study = read_study(arguments.folders, arguments.metric, arguments.target)
    with log_to(None):
        out = Path(arguments.out) if arguments.out else _beside(study)
        written, notes = write_report(study, out, formats)
        for line in _summary(study):
            say(line)
        for note in (*study.notes, *notes):
            say(f"Note: {note}")
        say(f"Written to {out}: {', '.join(path.name for path in written)}")
    return 0


def write_report(
    study: "Study", out: Path | str, formats: Sequence[str] = tuple(FORMATS)
) -> tuple[list[Path], list[str]]:
    """Write a comparison in each of ``formats`` below ``out``.

    Returns:
        The files, and what a reader must be told besides the study's own notes.

    Raises:
        GanforgeError: if the folder cannot be written to, or the extra ``report`` is needed and not installed.
    """
    from dataclasses import replace

    from ganforge.core.files import write_text
    from ganforge.reports import documents, figures, page, tables
    from ganforge.reports.grids import read_grids

    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanforgeError(
            f"'{folder}' cannot be made ({error.strerror}): choose another folder with --out."
        ) from error
    grids, notes = read_grids(study.variants)
    study = replace(study, notes=(*study.notes, *notes))
    makers: dict[str, dict[str, Callable[[], str]]] = {
        "html": {"report.html": lambda: page.page(study, grids)},
        "csv": {
            "rankings.csv": lambda: tables.rankings_csv(study),
            "tests.csv": lambda: tables.pairs_csv(study),
            "runs.csv": lambda: tables.runs_csv(study),
        },
        "md": {"rankings.md": lambda: documents.as_markdown(study)},
        "tex": {"rankings.tex": lambda: documents.as_latex(study)},
    }
    if "html" in formats:
        page.check_installed()
    written: list[Path] = []
    for name in formats:
        for file, make in makers.get(name, {}).items():
            write_text(folder / file, make())
            written.append(folder / file)
    pictures = [name for name in formats if name in ("png", "pdf")]
    return written + figures.save_figures(study, grids, folder, pictures), notes


def _beside(study: "Study") -> Path:
    """Return ``comparison`` in the first folder asked for, or beside it if it is a run's own."""
    first = study.folders[0]
    is_run = any(run.path == first for run in study.runs)
    return (first.parent if is_run else first) / "comparison"


def _summary(study: "Study") -> list[str]:
    """Return the ranking of the metric asked for as lines."""
    from ganforge.reports.tables import written_ranking

    lines: list[str] = []
    for measure in study.of_metric(study.metric):
        header, rows, best = written_ranking(study, measure)
        table = [header, *([f"{row[0]} *" if row[0] in best else row[0], *row[1:]] for row in rows)]
        widths = [max(len(row[column]) for row in table) for column in range(len(header))]
        lines.append(f"\n{measure.title} ({measure.how}):")
        for row in table:
            cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(["", row[0].ljust(widths[0]), *cells]))
    if lines:
        lines.append("  * the best mean, and what is not told apart from it\n")
    return lines
