"""Runs of somebody else among one's own: names are text, broken folders are left out, and no file is replaced."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from ganforge import cli
from ganforge.reports.documents import plain_markdown
from ganforge.reports.reading import find_runs
from ganforge.reports.study import read_study
from ganforge.reports.style import without_formulas
from ganforge.runs.log import read_rows

NAMES = [
    "<img src=x onerror=alert(1)>",
    "[a](http://b)",
    "**b**",
    "`c`",
    "$\\frac{1}{0$",
    "| e |",
    "# f",
    "&lt;",
]


@given(st.text("<>[]()*_`|~$!&#+-.:/\\ ax1;\n", max_size=40))
def test_markdown_shows_names_as_they_are(text):
    shown = plain_markdown(text)
    assert "\n" not in shown
    bare = shown
    for character in "\\`*[]<>|~$!_&:.#-+)":
        bare = bare.replace(f"\\{character}", " ")
    assert not set("`*[]<>|~$!") & set(bare)
    assert "://" not in bare


@pytest.mark.parametrize("name", NAMES)
def test_figures_show_names_as_they_are(name, tmp_path):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], label=name)
    axes.set(title=name, xlabel=name)
    axes.set_yticks([1, 2], [name, name])
    axes.legend()
    axes.table([[name]])
    without_formulas(figure).savefig(tmp_path / "x.png")  # half a formula raises


def test_broken_runs_are_left_out_with_a_sentence(two_variants, capsys):
    for name, text in {
        "deep": "[" * 100_000,
        "shallow": '{"settings":' + '{"a":' * 500 + "1" + "}" * 501,
        "number": json.dumps({"state": "running", "host": "here", "pid": 10**30, "settings": {"model": 10**30}}),
        "types": json.dumps({"state": [], "settings": {"data": [1]}, "packages": 3, "scores": "x", "choices": [1]}),
    }.items():
        (two_variants / name).mkdir()
        (two_variants / name / "run.json").write_text(text)
        (two_variants / name / "config.yaml").write_text("a: &a [1]\nb: *a\n")
    assert cli.main(["compare", str(two_variants), "formats=[csv]"]) == 0
    said = capsys.readouterr().out
    assert "sweep/deep, sweep/shallow: its run.json is missing or cut short" in said
    assert (two_variants / "comparison" / "rankings.csv").is_file()


def test_whatever_stands_in_one_folder_the_others_are_compared(two_variants, monkeypatch):
    broken, *others = find_runs([two_variants])

    def read(path):
        if path.parent == broken:
            raise RecursionError("maximum recursion depth exceeded")
        return read_rows(path)

    monkeypatch.setattr("ganforge.reports.reading.read_rows", read)
    study = read_study([two_variants])
    assert sum(len(variant.runs) for variant in study.variants) == len(others)
    assert any("it cannot be read (RecursionError: maximum" in note for note in study.notes)


def test_a_clock_beyond_all_clocks_is_a_broken_line(tmp_path):
    table = tmp_path / "metrics.csv"
    table.write_text(f"images,seconds,name,value,protocol\n{10**400},1.0,a,1.0,\n-5,1.0,a,1.0,\n7,1.0,a,1.0,\n")
    rows, broken = read_rows(table)
    assert ([row.images_seen for row in rows], broken) == ([7], 2)


def test_reports_replace_no_file_of_somebody_else(two_variants, capsys):
    Path("mine").mkdir()
    Path("mine/runs.csv").write_text("years of work")
    assert cli.main(["compare", str(two_variants), "formats=[csv]", "output=mine"]) == 1
    assert "'mine/runs.csv' was not written by this command, and is not replaced" in capsys.readouterr().err
    assert [path.read_text() for path in Path("mine").iterdir()] == ["years of work"]
    for _ in range(2):  # its own are
        assert cli.main(["compare", str(two_variants), "formats=[csv]", "output=other"]) == 0
