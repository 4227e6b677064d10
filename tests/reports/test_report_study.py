"""What is ranked, what is kept apart, and what the notes report."""

from math import inf

import pytest

from ganforge.commands.compare import write_report
from ganforge.core.errors import GanforgeError
from ganforge.reports.bands import band, thin
from ganforge.reports.reading import Series
from ganforge.reports.study import read_study
from ganforge.reports.tables import format_estimate, leaders, ranking, reach_text, significance


def notes_with(study, *words):
    return [note for note in study.notes if all(word in note for word in words)]


def test_ranking_and_test_of_two_variants(two_variants):
    study = read_study([two_variants])
    (fid,) = study.of_metric("fid")
    places, pairs = ranking(study, fid), significance(study, fid)
    assert study.metric == "fid"
    assert [(place.variant.label, place.last.n) for place in places] == [("loss=hinge", 3), ("loss=wasserstein", 3)]
    assert [place.last.mean for place in places] == pytest.approx([32 / 3, 62 / 3])
    assert places[1].best.mean == pytest.approx(62 / 3 - 1)
    assert (places[0].best_images, places[1].best_images) == (2000, 1000)
    assert places[0].speed.mean == pytest.approx(101)
    (pair,) = pairs
    assert (pair.test, pair.is_significant) == ("paired t", True)
    assert leaders(places, pairs) == {"loss=hinge"}


def test_greater_is_better_where_it_is(two_variants):
    study = read_study([two_variants], metric="inception_score")
    (score,) = study.of_metric("inception_score")
    assert score.better == "greater"
    assert [place.variant.label for place in ranking(study, score)] == ["loss=hinge", "loss=wasserstein"]


def test_what_is_not_significantly_different_leads_too(make_run, sweep):
    for seed, (first, second) in enumerate(((10.0, 12.0), (13.0, 11.0), (9.0, 11.5))):
        make_run(f"h{seed}", seed, loss="Hinge", fid=first)
        make_run(f"w{seed}", seed, loss="Wasserstein", fid=second)
    study = read_study([sweep])
    (fid,) = study.of_metric("fid")
    assert leaders(ranking(study, fid), significance(study, fid)) == {"loss=hinge", "loss=wasserstein"}
    assert notes_with(study, "at most 3 seeds", "does not mean")


def test_protocols_are_never_in_one_ranking(make_run, sweep):
    for seed in (1, 2):
        make_run(f"h{seed}", seed, loss="Hinge", protocol="digits_5k@aaaaaaaa", fid=5.0 + seed)
        make_run(f"w{seed}", seed, loss="Wasserstein", protocol="fid50k@bbbbbbbb", fid=1.0 + seed)
    study = read_study([sweep])
    measures = study.of_metric("fid")
    assert [measure.protocol for measure in measures] == ["digits_5k@aaaaaaaa", "fid50k@bbbbbbbb"]
    for measure in measures:
        assert len(ranking(study, measure)) == 1
        assert significance(study, measure) == []
    assert len(notes_with(study, "FID was measured in 2 ways", "aaaaaaaa", "bbbbbbbb", "not comparable")) == 1


def test_datasets_are_never_in_one_ranking(make_run, sweep):
    make_run("a", 1, fid=5.0)
    make_run("b", 1, fid=1.0, settings={"data": {"source": {"name": "CIFAR10"}, "seed": 1, "workers": 4}})
    study = read_study([sweep])
    assert [measure.data for measure in study.of_metric("fid")] == [
        "data.source.name=CIFAR10",
        "data.source.name=MNIST",
    ]
    assert all(len(ranking(study, measure)) == 1 for measure in study.of_metric("fid"))


def test_one_seed_gives_no_interval_and_a_sentence(make_run, sweep):
    make_run("a", 1, loss="Hinge", fid=5.0)
    make_run("b", 1, loss="Wasserstein", fid=6.0)
    study = read_study([sweep])
    (fid,) = study.of_metric("fid")
    assert format_estimate(ranking(study, fid)[0].last) == "5"
    (pair,) = significance(study, fid)
    assert pair.test is None
    assert leaders(ranking(study, fid), [pair]) == {"loss=hinge"}
    assert notes_with(study, "Every variant has one seed", "no interval and no test")


def test_unfinished_runs_are_reported_and_not_tested(make_run, sweep):
    for seed in (1, 2, 3):
        make_run(f"h{seed}", seed, loss="Hinge", fid=5.0 + seed)
        make_run(f"w{seed}", seed, "stopped", loss="Wasserstein", fid=1.0 - seed / 9)
    study = read_study([sweep])
    (fid,) = study.of_metric("fid")
    assert len(ranking(study, fid)) == 2
    assert significance(study, fid) == []
    assert notes_with(study, "3 of 6 runs were stopped")
    assert notes_with(study, "loss=wasserstein: no run has finished", "not tested")


def test_all_runs_failed(make_run, sweep):
    for seed in (1, 2):
        make_run(f"a{seed}", seed, "failed", status={"error": "The loss became nan."})
    study = read_study([sweep])
    assert notes_with(study, "All 2 runs failed", "sweep/a1, sweep/a2", "the first error: The loss became nan")
    assert notes_with(study, "No metric was measured in any run")
    assert (study.metric, study.measures) == ("", {})


def test_runs_without_any_value(make_run, sweep):
    for name in "ab":
        (make_run(name, state="failed", status={"error": "No GPU."}) / "metrics.csv").unlink()
    with pytest.raises(
        GanforgeError, match=r"None of the 2 runs found holds a configuration and a value\. All 2 runs fai"
    ):
        read_study([sweep])


def test_what_cannot_be_read_is_reported_once(make_run, sweep):
    for name in "abcdef":
        make_run(name, 1, fid=1.0, status={"settings": None, "packages": {"ganforge": "0.1.0"}})
    make_run("whole", 1, fid=1.0)
    study = read_study([sweep])
    assert notes_with(
        study, "sweep/a, sweep/b, sweep/c, sweep/d and 2 more: its run.json was written by ganforge 0.1.0"
    )
    assert [len(variant.runs) for variant in study.variants] == [1]


def test_a_variant_without_values_is_left_out(make_run, sweep):
    make_run("a", 1, fid=5.0)
    (make_run("b", 1, "running", loss="Wasserstein") / "metrics.csv").write_text("images_seen,seco")
    study = read_study([sweep])
    assert [variant.label for variant in study.variants] == ["loss=hinge"]
    assert notes_with(study, "loss=wasserstein has no values yet")


def test_a_metric_that_some_runs_lack(make_run, sweep):
    make_run("a1", 1, fid=5.0)
    make_run("a2", 2)
    make_run("b1", 1, loss="Wasserstein", kid=0.1)
    study = read_study([sweep])
    (fid,) = study.of_metric("fid")
    assert [(place.variant.label, place.last.n) for place in ranking(study, fid)] == [("loss=hinge", 1)]
    assert notes_with(study, "FID was not measured in loss=wasserstein")
    assert notes_with(study, "FID was not measured in sweep/a2", "over the others")


def test_an_unknown_metric_is_refused_with_those_there_are(two_variants):
    with pytest.raises(GanforgeError, match=r"'kid' was measured in none of the runs; they have fid, inception_score"):
        read_study([two_variants], metric="kid")


def test_of_an_unknown_direction_no_best_is_reported(make_run, sweep):
    make_run("a", 1, sharpness=[(1000, 3.0), (2000, 5.0)])
    study = read_study([sweep])
    (measure,) = study.of_metric("sharpness")
    (place,) = ranking(study, measure)
    assert (measure.better, place.best, place.last.mean) == (None, None, 5.0)
    assert notes_with(study, "more or less sharpness is better is not known")


def test_time_to_a_target_counts_runs_that_never_get_there(make_run, sweep):
    for seed, curve in enumerate(([(1000, 9.0), (2000, 5.0)], [(1000, 5.5), (2000, 7.0)], [(1000, 9.0), (2000, 8.0)])):
        make_run(f"h{seed}", seed, loss="Hinge", fid=curve)
        make_run(f"w{seed}", seed, loss="Wasserstein", fid=[(1000, 30.0), (2000, 6.0 if seed == 0 else 20.0)])
    study = read_study([sweep], target=6.0)
    places = {place.variant.label: place for place in ranking(study, study.of_metric("fid")[0])}
    hinge, wasserstein = places["loss=hinge"], places["loss=wasserstein"]
    assert (hinge.reached, hinge.reach_images, hinge.reach_seconds) == ((2, 3), 2000, 20.0)
    assert (wasserstein.reached, wasserstein.reach_images) == ((1, 3), inf)
    assert reach_text(hinge) == "2 kimg, 20 s (2 of 3 runs)"
    assert reach_text(wasserstein) == "not reached (1 of 3 runs)"


def test_other_machines_and_code_are_reported(make_run, sweep):
    make_run("a", 1, fid=1.0, status={"host": "one", "git": "aaaa"})
    make_run("b", 2, fid=2.0, status={"host": "two", "git": "bbbb+changes"})
    study = read_study([sweep])
    assert notes_with(study, "from 2 machines")
    assert notes_with(study, "by 2 commits")
    assert notes_with(study, "uncommitted changes when 1 of 2")


@pytest.mark.parametrize("end", ["inf", "nan"])
def test_a_run_that_has_diverged_has_no_value(make_run, sweep, end):
    for seed in (1, 2, 3):
        last = end if seed == 3 else 8.0 + seed
        make_run(f"h{seed}", seed, loss="Hinge", fid=[(1000, 1.0), (2000, last)])
        make_run(f"w{seed}", seed, loss="Wasserstein", fid=[(1000, 12.0), (2000, 11.0 + seed)])
    study = read_study([sweep])
    (fid,) = study.of_metric("fid")
    hinge, _ = ranking(study, fid)
    assert (hinge.last.mean, hinge.last.n, hinge.best.mean, hinge.best.n) == (9.5, 2, 1.0, 2)
    (pair,) = significance(study, fid)
    assert pair.n == (2, 3)
    assert notes_with(study, "loss=hinge", "last FID of sweep/h3 is not finite", "no value, diverged")
    assert band(study.variants[0], fid.key).images == (1000,)  # what is finite can be drawn


def test_a_variant_that_has_diverged_altogether_is_reported(make_run, sweep, tmp_path):
    make_run("h", 1, loss="Hinge", fid=[(2000, "nan")])
    study = read_study([sweep])
    (fid,) = study.of_metric("fid")
    assert ranking(study, fid) == []
    assert notes_with(study, "model=dcgan", "no value, diverged")
    assert not notes_with(study, "was not measured")
    written, _ = write_report(study, tmp_path / "out", ["md", "csv", "tex", "png"])
    assert "values_fid.png" not in {path.name for path in written}


def test_one_measure_has_one_name_whatever_the_order_of_protocols(make_run, sweep):
    for seed in (1, 2):
        make_run(f"h{seed}", seed, loss="Hinge", protocol="digits@aaaaaaaa", fid=5.0 + seed)
        make_run(f"w{seed}", seed, loss="Wasserstein", protocol="digits@aaaaaaaa", **{"digits/fid": 7.0 + seed * 2})
    study = read_study([sweep])
    (fid,) = study.of_metric("fid")
    assert len(ranking(study, fid)) == 2
    assert set(study.measures) == {fid}


def test_what_comes_with_a_value_is_not_ranked(make_run, sweep):
    beside = ("fid_low", "fid_high", "fid_error", "inception_score_std", "intra_fid_worst_class")
    make_run("a", 1, fid=5.0, **dict.fromkeys(beside, 1.0))
    assert [measure.name for measure in read_study([sweep]).measures] == ["fid"]


def test_of_an_unknown_direction_nothing_leads(make_run, sweep):
    for seed in (1, 2, 3):
        make_run(f"h{seed}", seed, loss="Hinge", fid_gap=1.0 + seed / 9)
        make_run(f"w{seed}", seed, loss="Wasserstein", fid_gap=4.0 - seed / 7)
    study = read_study([sweep])
    (gap,) = study.of_metric("fid_gap")
    assert leaders(ranking(study, gap), significance(study, gap)) == set()


@pytest.mark.parametrize(
    "status", [{"choices": ["model"]}, {"choices": {"model": ["dcgan"]}}, {"host": ["a"]}, {"git": 3}]
)
def test_a_strange_status_stops_no_report(make_run, sweep, status):
    make_run("a", 1, fid=5.0, status=status)
    make_run("b", 1, loss="Wasserstein", fid=6.0)
    study = read_study([sweep])
    assert len(ranking(study, study.of_metric("fid")[0])) == 2


def test_one_run_without_a_configuration_is_one_sentence(make_run, sweep):
    make_run("a", 1, fid=5.0, status={"settings": None})
    with pytest.raises(GanforgeError, match="None of the 1 runs found holds a configuration"):
        read_study([sweep])


def test_a_list_of_mappings_with_keys_of_two_kinds_stops_no_report(make_run, sweep):
    make_run("a", 1, fid=5.0, settings={"extra": [{1: 2, "b": 3}]})
    assert len(read_study([sweep]).variants) == 1


def test_bands_are_means_at_clocks_that_all_counted_runs_reached(make_run, sweep):
    make_run("a", 1, fid=[(1000, 4.0), (2000, 2.0)])
    make_run("b", 2, fid=[(1000, 6.0), (2000, 3.0), (3000, 1.0)])
    make_run("c", 3, "failed", fid=[(1000, 900.0)])
    study = read_study([sweep])
    found = band(study.variants[0], study.of_metric("fid")[0].key)
    assert (found.images, found.seconds, found.mean, found.runs) == ((1000, 2000), (10.0, 20.0), (5.0, 2.5), 2)
    assert found.high[0] == pytest.approx(5 + 12.706204736 * 1.0)  # t(0.975, 1) times sqrt(2) / sqrt(2)


def test_long_series_become_means_of_stretches():
    series = Series(tuple(range(10)), tuple(map(float, range(10))), tuple(map(float, range(10))))
    found = thin(series, points=5)
    assert (found.images, found.values) == ((1, 3, 5, 7, 9), (0.5, 2.5, 4.5, 6.5, 8.5))
    assert thin(series, points=10) is series


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([10.0, 13.0, 9.0], "10.7 ± 5.2"),
        ([0.020, 0.021, 0.023], "0.0213 ± 0.0038"),
        ([1234.5], "1234"),
        ([5, 5], "5 ± 0"),
    ],
)
def test_numbers_have_as_many_digits_as_they_deserve(values, text):
    from ganforge.reports.statistics import estimate

    assert format_estimate(estimate(values)) == text
