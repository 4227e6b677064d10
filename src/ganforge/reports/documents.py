"""Rankings as Markdown and as LaTeX, for papers and notes."""

import re
from collections.abc import Iterator

from ganforge.reports.measures import Measure
from ganforge.reports.study import Study
from ganforge.reports.tables import MISSING, significance, written_ranking

__all__ = ["as_latex", "as_markdown", "how_to_read", "plain_markdown"]


def how_to_read(study: Study, measure: Measure) -> str:
    """Return one paragraph that explains the numbers."""
    better = {"greater": "greater is better", "less": "less is better", None: "which is better is not known"}
    pairs = significance(study, measure)
    tests = sorted({pair.test for pair in pairs if pair.test is not None})
    tested = sum(pair.test is not None for pair in pairs)
    text = (
        f"{measure.title} under {measure.how}; {better[measure.better]}. Mean over seeds with its 95 % interval "
        "(Student's t); a value without one is of one seed. 'Last' is the last evaluation's value, 'best' the best "
        "one's of each run, which is optimistic. "
    )
    if not tested:
        return text + "No two variants could be tested."
    return text + (
        "Bold: the best mean of last values, and what is not significantly different from it "
        f"({' or '.join(tests)} test, {tested} {'test' if tested == 1 else 'tests'}, Holm's correction, 5 %)."
    )


def as_markdown(study: Study) -> str:
    """Return every ranking, tests and notes."""
    return "\n".join([*_markdown(study), ""])


def _markdown(study: Study) -> Iterator[str]:
    for measure in study.measures:
        header, rows, best = written_ranking(study, measure)
        yield f"## {plain_markdown(f'{measure.title} ({measure.how})')}\n"
        yield _line(list(map(plain_markdown, header)))
        yield _line(["---", *("--:" for _ in header[1:])])
        for row in rows:
            name, *values = map(plain_markdown, row)
            yield _line([f"**{name}**" if row[0] in best else name, *values])
        yield f"\n{plain_markdown(how_to_read(study, measure))}\n"
    if study.notes:
        yield "## Notes\n"
        yield from (f"- {plain_markdown(note)}" for note in study.notes)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


#: What Markdown would read as more than itself: emphasis, code, links, HTML, entities, tables, formulas; headings and
#: lists where a line begins. An underscore within a word is none.
_MARKDOWN = re.compile(
    r"[\\`*\[\]<>|~$!]|(?<![^\W_])_|_(?![^\W_])|&(?=[\w#]+;)|:(?=//)|(?<=www)\.|^(?:\#|[-+](?=\s|$))",
    re.MULTILINE,
)


def plain_markdown(text: str) -> str:
    """Return Markdown of one line that shows ``text`` as it is."""
    line = _MARKDOWN.sub(lambda match: f"\\{match[0]}", " ".join(text.split()))
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line)


def as_latex(study: Study) -> str:
    """Return one ``table`` a measure, for the package booktabs."""
    return "\n".join(["% \\usepackage{booktabs}", *_latex(study), ""])


def _latex(study: Study) -> Iterator[str]:
    for measure in study.measures:
        header, rows, best = written_ranking(study, measure)
        yield "\\begin{table}\n  \\centering"
        yield f"  \\caption{{{_escape(how_to_read(study, measure))}}}"
        yield f"  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}\n    \\toprule"
        yield f"    {' & '.join(map(_escape, header))} \\\\\n    \\midrule"
        for row in rows:
            label = f"\\textbf{{{_escape(row[0])}}}" if row[0] in best else _escape(row[0])
            yield f"    {' & '.join([label, *map(_escape, row[1:])])} \\\\"
        yield "    \\bottomrule\n  \\end{tabular}\n\\end{table}"


_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "±": "$\\pm$",
    MISSING: "--",
    "<": "$<$",
    ">": "$>$",
}


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
