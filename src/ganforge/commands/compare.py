"""``ganforge compare``: runs read from their folders, and a report of what they say."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from ganforge.core.errors import GanforgeError

if TYPE_CHECKING:
    from ganforge.reports.study import Study

__all__ = ["FORMATS", "compare", "write_report"]

#: What a report can be written as.
FORMATS = ("html", "png", "pdf", "csv", "md", "tex")


def compare(config: DictConfig) -> None:
    """Read runs, write the report, and print where it is and how the variants rank.

    Raises:
        GanforgeError: for everything that the user can put right.
    """
    folders, formats = _checked(config)
    from ganforge.core.console import log_to, say
    from ganforge.reports.page import check_installed
    from ganforge.reports.study import read_study

    if "html" in formats:
        check_installed()
    study = read_study(folders, config.metric, config.target)
    with log_to(None):
        output = Path(config.output).expanduser() if config.output else _beside(study)
        written, notes = write_report(study, output, formats)
        for line in _summary(study):
            say(line)
        for note in (*study.notes, *notes):
            say(f"Note: {note}")
        say(f"Written to {output}: {', '.join(path.name for path in written)}")


def _checked(config: DictConfig) -> tuple[list[Path], list[str]]:
    """Return folders and formats, after refusing what cannot be done."""
    folders, formats = list(config.folders), list(config.formats)
    if not folders:
        raise GanforgeError("Say which runs to compare: ganforge compare outputs/<name>, or any folder above runs.")
    for name in formats:
        if name not in FORMATS:
            raise GanforgeError(f"There is no format '{name}': choose formats=[...] from {', '.join(FORMATS)}.")
    return [Path(folder).expanduser() for folder in folders], formats


def write_report(study: "Study", output: Path | str, formats: Sequence[str] = FORMATS) -> tuple[list[Path], list[str]]:
    """Write a comparison in each of ``formats`` below ``output``.

    Returns:
        The files, and notes besides the study's own.

    Raises:
        GanforgeError: if the folder cannot be written to, a file of these names is there that is not a comparison's, or
            the extra ``report`` is needed and not installed.
    """
    from dataclasses import replace

    from ganforge.core.files import OwnFiles, write_text
    from ganforge.reports import documents, figures, page, tables
    from ganforge.reports.grids import read_grids

    folder = Path(output)
    own = OwnFiles(folder)
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
    pictures = figures.names(study, grids, [name for name in formats if name in ("png", "pdf")])
    own.claim(*(file for name in formats for file in makers.get(name, {})), *pictures)
    written: list[Path] = []
    for name in formats:
        for file, make in makers.get(name, {}).items():
            write_text(folder / file, make())
            written.append(folder / file)
    return written + figures.save_figures(study, grids, folder, pictures), notes


def _beside(study: "Study") -> Path:
    """Return ``comparison`` in the first folder asked for, or beside it if it is a run's own."""
    first = study.folders[0]
    is_run = any(run.path == first for run in study.runs)
    return (first.parent if is_run else first) / "comparison"


def _summary(study: "Study") -> list[str]:
    """Return the ranking of the metric asked for as lines."""
    from ganforge.core.tables import text_table
    from ganforge.reports.tables import written_ranking

    lines: list[str] = []
    for measure in study.of_metric(study.metric):
        header, rows, best = written_ranking(study, measure)
        marked = [[f"{row[0]} *" if row[0] in best else row[0], *row[1:]] for row in rows]
        lines.append(f"\n{measure.title} ({measure.how}):")
        lines += [f"  {line}" for line in text_table([header, *marked], left=[0])]
    if lines:
        lines.append("  * the best mean, and what is not significantly different from it\n")
    return lines
