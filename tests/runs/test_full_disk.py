"""A disk that is full at each kind of write: one sentence, nothing lost, and the run goes on where it was."""

import resource
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

import storm
from ganforge import cli
from ganforge.core.files import write_text
from ganforge.runs.folder import RunFolder
from quick import SMOKE

#: What writes, and at which of its calls there is no space.
WRITES = {
    "the first checkpoint": ("ganforge.callbacks.checkpoint.Checkpoint.save", 1),
    "a later checkpoint": ("ganforge.callbacks.checkpoint.Checkpoint.save", 2),
    "a copy of the checkpoint": ("shutil.copyfile", 1),
    "a row of metrics.csv": ("ganforge.loggers.table.TableLogger.log_metrics", 3),
    "the values of an evaluation": ("ganforge.loggers.table.TableLogger.log_measured", 4),
    "a picture of samples": ("ganforge.callbacks.samples.SampleGrid.draw", 1),
    "a later picture": ("ganforge.callbacks.samples.SampleGrid.draw", 2),
    "the curves": ("ganforge.callbacks.samples.Curves.draw", 1),
    "the run's configuration": ("ganforge.runs.folder.RunFolder.begin", 1),
    "run.json": ("ganforge.runs.folder.RunFolder.update", 1),
}


@contextmanager
def full_at(target, which):
    """Leave no space for one call of a function, given by its full name; the kernel refuses the writes."""
    place, _, name = target.rpartition(".")
    module, _, owner = place.rpartition(".")
    holder = getattr(import_module(module), owner) if owner[:1].isupper() else import_module(place)
    original, calls = getattr(holder, name), []

    def limited(*arguments, **options):
        calls.append(name)
        if len(calls) != which:
            return original(*arguments, **options)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            return original(*arguments, **options)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holder, name, limited)
        yield
    assert len(calls) >= which


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, session_cache):
    """Return the folder of a run that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GANFORGE_CACHE", str(session_cache))
        assert cli.main(["train", *SMOKE, "name=whole"]) == 0
        return storm.run_folder(folder / "outputs")


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write, id=name, marks=[] if name in ("a later checkpoint", "run.json") else pytest.mark.slow)
        for name, write in WRITES.items()
    ],
)
def test_one_sentence_nothing_lost_and_it_goes_on(write, undisturbed, capsys):
    with full_at(*write):
        assert cli.main(["train", *SMOKE, "name=cut"]) == 1
    sentence = capsys.readouterr().err
    assert sentence.startswith("ganforge: No space left for 'outputs/cut/")
    assert sentence.count("\n") == 1
    assert "resume=true" in sentence
    assert not list(Path("outputs").rglob(".*.part"))
    assert cli.main(["train", *SMOKE, "name=cut", "resume=true"]) == 0
    assert storm.differences(undisturbed, storm.run_folder(Path("outputs"))) == []


def test_a_cache_that_does_not_fit_costs_time_alone(train, monkeypatch, tmp_path):
    monkeypatch.setenv("GANFORGE_CACHE", str(tmp_path / "cache"))
    with full_at("safetensors.torch.save_file", 1):
        assert train() == 0
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_text_that_does_not_fit_leaves_the_old_one(tmp_path):
    write_text(tmp_path / "run.json", "old")
    with full_at("pathlib.Path.write_text", 1), pytest.raises(OSError, match="File too large"):
        write_text(tmp_path / "run.json", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert (tmp_path / "run.json").read_text() == "old"
    assert RunFolder(tmp_path).status() == {}
