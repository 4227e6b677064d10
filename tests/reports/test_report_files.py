"""What is written: tables that parse, figures that open, a page that asks nothing of a network."""

import base64
import csv
import io
import json
import re
import sys

import pytest
from PIL import Image

from ganforge import cli
from ganforge.commands.compare import write_report
from ganforge.core.extras import install
from ganforge.reports.documents import as_latex, as_markdown
from ganforge.reports.grids import as_data_uri, read_grids
from ganforge.reports.page import page
from ganforge.reports.parallel import scale_of
from ganforge.reports.study import read_study
from ganforge.reports.tables import pairs_csv, rankings_csv, runs_csv


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def figures(html):
    return json.loads(re.search(r'id="figures">(.*?)</script>', html, re.DOTALL)[1])


def test_csv_has_full_precision(two_variants):
    study = read_study([two_variants], target=11.0)
    first = rows(rankings_csv(study))[0]
    assert (first["metric"], first["variant"], first["runs"]) == ("fid", "loss=hinge", "3")
    assert float(first["last_mean"]) == 32 / 3
    assert (first["reached"], first["reach_images"]) == ("2", "2000")
    (fid, _) = rows(pairs_csv(study))
    assert (fid["test"], fid["n"]) == ("paired t", "3")
    assert float(fid["p_holm"]) == float(fid["p"]) < 0.05
    runs = [row for row in rows(runs_csv(study)) if row["metric"] == "fid"]
    assert [(row["seed"], row["last"]) for row in runs[:3]] == [("0", "10.0"), ("1", "13.0"), ("2", "9.0")]


def test_markdown_and_latex_hold_the_ranking(two_variants):
    study = read_study([two_variants])
    markdown, latex = as_markdown(study), as_latex(study)
    assert "| **loss=hinge** | 3 | 10.7 ± 5.2 |" in markdown
    assert "| loss=wasserstein | 3 |" in markdown
    assert "With at most 3 seeds" in markdown
    assert r"\textbf{loss=hinge} & 3 & 10.7 $\pm$ 5.2 &" in latex
    assert latex.count(r"\begin{tabular}{lrrrrr}") == latex.count(r"\bottomrule") == 2
    assert r"digits\_5k@00000000" in latex
    assert not re.search(r"(?<!\\)[_%&#](?!.*usepackage)", re.sub(r" & ", " ", latex.partition("\n")[2]))


def test_a_page_holds_everything_and_fetches_nothing(two_variants):
    study = read_study([two_variants])
    html = page(study, read_grids(study.variants)[0])
    own = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "default-src 'none'" in own
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", own)
    assert "url(" not in own
    assert own.count('src="data:image/png;base64,') == 2
    assert html.count("Plotly.react") >= 1
    found = figures(html)
    curves = found["measure0-curves"]
    assert set(curves) == {"images", "seconds"}
    means = [trace for trace in curves["images"]["data"] if trace.get("name") == "loss=hinge"]
    assert means[0]["x"] == [1, 2]
    assert means[0]["y"] == pytest.approx([15 + 2 / 3, 10 + 2 / 3], rel=1e-5)
    assert {"panels", "measure0-values", "measure0-parallel", "measure1-curves"} <= set(found)


def test_names_cannot_become_markup(make_run, sweep):
    evil = "</script><script>alert(1)</script><img src=x>"
    make_run("a", 1, fid=1.0, settings={"note": evil})
    make_run("b", 1, fid=2.0, settings={"note": "&amp; plain"})
    study = read_study([sweep])
    html = page(study, [])
    assert evil not in html
    assert "<script>alert(1)" not in html
    assert figures(html)["measure0-values"]["layout"]["yaxis"]["ticktext"][0] == study.variants[1].label


def test_sample_grids_are_read_and_what_is_wrong_with_them_reported(make_run, sweep):
    make_run("a", 1, loss="Hinge", fid=1.0, settings={"latent": {"dim": 100}})
    make_run("b", 1, loss="Wasserstein", fid=1.0, settings={"latent": {"dim": 8}})
    broken = make_run("c", 1, loss="Minimax", fid=1.0)
    (broken / "samples" / "latest.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")
    gone = make_run("d", 1, loss="LeastSquares", fid=1.0)
    (gone / "samples" / "latest.png").unlink()
    grids, notes = read_grids(read_study([sweep]).variants)
    assert [grid.label for grid in grids] == ["loss=hinge", "loss=wasserstein"]
    assert "seed 1, 2 kimg" in grids[0].caption
    assert any("latest.png cannot be read" in note for note in notes)
    assert any("latest.png is not there" in note for note in notes)
    assert any("not from the same latents" in note for note in notes)


def test_pictures_keep_to_their_budget():
    noise = Image.effect_noise((1200, 900), 90).convert("RGB")
    for budget, kind in ((60_000, "jpeg"), (10_000_000, "png")):
        uri = as_data_uri(noise, budget)
        assert uri.startswith(f"data:image/{kind};base64,")
        assert len(uri) <= budget + 30
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert image.size == (1024, 768)


@pytest.mark.parametrize(
    ("values", "positions", "words"),
    [
        (["1", "3", "2"], [0, 1, 0.5], {0: "1", 1: "3", 0.5: "2"}),
        (["0.001", "0.1", "0.01"], [0, 1, 0.5], {0: "0.001", 1: "0.1", 0.5: "0.01"}),
        (["b", "a", "b"], [0.75, 0.25, 0.75], {0.25: "a", 0.75: "b"}),
    ],
)
def test_parallel_axes_place_numbers_and_words(values, positions, words):
    scale = scale_of(values)
    assert scale.positions == pytest.approx(positions)
    assert {round(place, 9): word for place, word in scale.ticks.items()} == words


def test_the_command_writes_every_format_and_tells_the_ranking(two_variants, tmp_path, capsys):
    out = tmp_path / "out"
    formats = "[html,png,pdf,csv,md,tex]"
    assert cli.main(["compare", str(two_variants), f"output={out}", "target=12", f"formats={formats}"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"loss=hinge \*\s+3\s+10\.7 ± 5\.2", printed)
    assert "Note: With at most 3 seeds" in printed
    names = {path.name for path in out.iterdir()}
    assert {"report.html", "rankings.csv", "tests.csv", "runs.csv", "rankings.md", "rankings.tex"} <= names
    for name in ("curves_fid", "values_fid", "panels", "samples", "curves_inception_score"):
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        with Image.open(out / f"{name}.png") as picture:
            assert min(picture.size) > 150
    assert not [name for name in names if name.startswith(".")]


def test_by_default_it_writes_beside_the_runs_and_can_do_so_again(two_variants, capsys):
    for _ in range(2):
        assert cli.main(["compare", str(two_variants), "formats=[md]"]) == 0
    assert (two_variants / "comparison" / "rankings.md").is_file()
    one = sorted(two_variants.iterdir())[1]
    assert cli.main(["compare", str(one), "formats=csv"]) == 0
    assert (two_variants / "comparison" / "rankings.csv").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "There is no folder 'nowhere'"),
        (["."], "There is no run below '.'"),
        (["SWEEP", "formats=[doc]"], "There is no format 'doc'"),
        (["SWEEP", "metric=fidd"], "'fidd' was measured in none of the runs; they have fid"),
        (["SWEEP", "formats=[md]", "output=file"], "'file' cannot be made"),
        (["SWEEP", "formats=html,csv"], "names several values: add -m to take them one after another, or write a list"),
        (["SWEEP", "target=low"], "target must be a number"),
        ([], "Say which runs to compare"),
        (["SWEEP", "metrc=fid"], "no configuration key or group 'metrc'; did you mean metric"),
    ],
)
def test_bad_input_is_one_sentence(make_run, sweep, tmp_path, monkeypatch, capsys, words, sentence):
    make_run("a", fid=1.0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "file").write_text("")
    assert cli.main(["compare", *(str(sweep) if word == "SWEEP" else word for word in words)]) == 1
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 1
    assert sentence in printed[0]


def test_without_plotly_the_way_out_is_reported(two_variants, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert cli.main(["compare", str(two_variants)]) == 1
    assert install("report") in capsys.readouterr().err
    assert cli.main(["compare", str(two_variants), "formats=[md,csv]"]) == 0


def test_a_report_of_runs_without_metrics_shows_losses(make_run, sweep, tmp_path):
    make_run("a", 1, "failed", status={"error": "x"})
    study = read_study([sweep])
    written, _ = write_report(study, tmp_path / "out", ["html", "png", "md", "csv", "tex"])
    html = (tmp_path / "out" / "report.html").read_text()
    assert "No metric was measured in any run" in html
    assert set(figures(html)) == {"panels"}
    assert {path.name for path in written} >= {"panels.png", "samples.png"}


def test_a_real_run_is_read_as_it_is_written(train, run_folder):
    assert train("loss=hinge", "seed=1") == 0
    study = read_study(["outputs"])
    (variant,) = study.variants
    (run,) = variant.runs
    assert (run.path, run.seed, run.state, run.problems) == (run_folder(), 1, "finished", ())
    assert (run.images_seen, variant.options["loss"]) == (128, "hinge")
    assert {"metrics/fid", "generator/gradient_norm", "discriminator/gradient_norm"} <= {name for name, _ in run.series}
    assert len(study.of_metric("fid")) == 1
    grids, notes = read_grids(study.variants)
    assert (len(grids), notes) == (1, [])
    assert not [key for key, value in run.settings.items() if str(run_folder()) in str(value)]


def test_names_of_metrics_cannot_leave_the_folder(make_run, sweep, tmp_path):
    make_run("a", 1, protocol="", **{"../../evil": 1.0, "offline/fid": 2.0, "offline_fid": 3.0})
    out = tmp_path / "deep" / "er" / "out"
    written, _ = write_report(read_study([sweep]), out, ["png"])
    assert {path.parent for path in written} == {out}
    assert len({path.name for path in written if path.name.startswith("values_")}) == 3
    assert all(path.is_file() for path in written)
