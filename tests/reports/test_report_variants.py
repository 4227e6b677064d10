"""Grouping and labels."""

from ganforge.reports.reading import read_run
from ganforge.reports.variants import differing_keys, distinctions, group


def variants(folders):
    return group([read_run(folder) for folder in folders])[0]


def test_seeds_make_one_variant_and_losses_two(two_variants):
    found, notes = group([read_run(folder) for folder in sorted(two_variants.iterdir())])
    assert [(variant.label, [run.seed for run in variant.runs]) for variant in found] == [
        ("loss=hinge", [0, 1, 2]),
        ("loss=wasserstein", [0, 1, 2]),
    ]
    assert notes == []


def test_labels_take_as_few_keys_as_tell_variants_apart(make_run):
    folders = [
        make_run(f"{loss}{lr}", loss=loss, settings={"optimizer": {"generator": {"lr": lr}}})
        for loss in ("Hinge", "Wasserstein")
        for lr in (0.0001, 0.0002)
    ]
    labels = [variant.label for variant in variants(folders)]
    assert labels == [f"loss={loss} lr={lr}" for loss in ("hinge", "wasserstein") for lr in ("0.0001", "0.0002")]
    assert [variant.label for variant in variants(folders[:2])] == ["lr=0.0001", "lr=0.0002"]
    assert [variant.label for variant in variants(folders[:1])] == ["model=dcgan"]


def test_labels_without_recorded_options_tell_classes(make_run):
    folders = [make_run(loss, loss=loss, status={"choices": {}}) for loss in ("Hinge", "Wasserstein")]
    assert [variant.label for variant in variants(folders)] == ["loss=Hinge", "loss=Wasserstein"]


def test_a_key_that_one_variant_lacks_tells_them_apart(make_run):
    folders = [make_run("a"), make_run("b", settings={"term": {"r1": {"weight": 1.0}}})]
    assert [variant.label for variant in variants(folders)] == ["weight=(absent)", "weight=1"]


def test_a_value_repeated_by_interpolation_is_one_difference(make_run):
    def folder(width, lr):
        network = {"width": width, "generator": {"width": width}, "discriminator": {"width": 240}}
        optimizer = {"generator": {"lr": lr}, "discriminator": {"lr": lr}}
        model = {"_target_": "G", "generator": network["generator"], "optimizers": optimizer, "total_kimg": width}
        settings = {"network": network, "optimizer": optimizer, "model": model, "total_kimg": width}
        return make_run(f"{width}", settings=settings)

    found = variants([folder(8, 0.1), folder(16, 0.2)])
    assert differing_keys(found) == [
        "total_kimg",
        "network.width",
        "optimizer.discriminator.lr",
        "optimizer.generator.lr",
    ]
    assert list(distinctions(found)) == ["total_kimg", "width", "discriminator.lr", "generator.lr"]


def test_a_seed_trained_twice_counts_once(make_run):
    folders = [make_run("a", 1, fid=3.0), make_run("b", 1, fid=3.0), make_run("c", 2, fid=4.0)]
    (variant,), notes = group([read_run(folder) for folder in folders])
    assert [run.path.name for run in variant.counted] == ["a", "c"]
    assert len(notes) == 1
    assert "sweep/b repeats seed 1 of sweep/a" in notes[0]


def test_finished_runs_count_and_others_where_there_are_none(make_run):
    folders = [make_run("a", 1, fid=3.0), make_run("b", 2, "failed", fid=9.0), make_run("c", 3, "running", fid=8.0)]
    (variant,) = variants(folders)
    assert [run.seed for run in variant.counted] == [1]
    assert variant.finished
    (variant,) = variants(folders[1:])
    assert [run.seed for run in variant.counted] == [2, 3]
    assert not variant.finished
