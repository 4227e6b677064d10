"""What somebody else's run folder cannot do."""

import json
import pickle
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from ganforge import cli
from ganforge.core.errors import GanforgeError
from ganforge.runs.folder import RunFolder, load_checkpoint
from ganforge.runs.restore import read_config, restore, settle

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


class Harm:
    def __reduce__(self):
        return Path.touch, (Path("harmed"),)


def test_a_pickle_in_a_checkpoint_is_not_run(tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_bytes(pickle.dumps({"ganforge": Harm()}))
    assert load_checkpoint(path) is None
    torch.save({"ganforge": {"images_seen": 1}, "state_dict": {}, "more": Harm()}, path)
    assert load_checkpoint(path) is None
    assert not Path("harmed").exists()


def test_a_reporter_of_an_unchecked_study_is_not_built(tmp_path):
    study = {"name": "x", "folder": ".", "overrides": [], "signature": "", "settings": {"storage": None}}
    study["settings"]["pruner"] = {"_target_": "pathlib.Path.touch", "self": "harmed"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    reporter = {"_target_": "ganforge.tuning.reports.Reporter", "file": str(tmp_path / "study.yaml"), "number": 0}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {**reporter, "first": 1, "total": 2}}))
    with pytest.raises(GanforgeError, match=r"asks to build 'ganforge\.tuning\.reports\.Reporter' at 'model'"):
        restore(tmp_path)
    assert not (tmp_path / "study.log").exists()


def test_a_run_cannot_ask_for_the_network():
    extractor = {"_target_": "ganforge.metrics.extractors.Inception", "download": True}
    inner = {"_target_": "ganforge.metrics.memorisation.FrechetGap", "extractor": extractor}
    run = {"data": {"source": {"a": [{"download": True, "cache": "/x"}]}}, "protocol": {"p": {"metrics": {"m": inner}}}}
    config = OmegaConf.create(run)
    settle(config, OmegaConf.create({"download": False, "paths": {"data": None, "cache": "mine"}}))
    assert config.data.source.a[0] == {"download": False, "cache": "mine"}
    assert not config.protocol.p.metrics.m.extractor.download


def test_a_run_cannot_name_whom_to_trust(tmp_path, monkeypatch, capsys):
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "__init__.py").write_text("from pathlib import Path\nPath('harmed').touch()\nclass A: pass\n")
    (tmp_path / "config.yaml").write_text("model: {_target_: evil.A}\ntrust: [evil]\n")
    assert cli.main(["sample", "."]) == 1
    assert "'evil.A' of a package that is not trusted" in capsys.readouterr().err
    assert not Path("harmed").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS + "model: *i\n", "holds an alias"),
        ("model: " + "[" * 5000, "nested too deeply"),
        ("model: " + "{a: " * 100 + "1" + "}" * 100, "nested too deeply"),
        ("model: &m {_target_: torch.nn.Identity}\nother: *m\n", "holds an alias"),
        ("x" * 17_000_000, "larger than"),
        ("model: !!python/object/apply:os.system [true]\n", "cannot be read"),
        ("model: \x00", "cannot be read"),
    ],
    ids=["laughs", "open", "deep", "alias", "huge", "python", "binary"],
)
def test_endless_and_deep_files_are_refused(text, said, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(GanforgeError, match=said):
        read_config(tmp_path)


@pytest.mark.parametrize("pid", [10**30, -1, 0, "1", None, 1.5, [1]])
def test_no_process_has_such_a_number(pid, tmp_path):
    import socket

    (tmp_path / "run.json").write_text(json.dumps({"state": "running", "host": socket.gethostname(), "pid": pid}))
    assert RunFolder(tmp_path).is_being_written() is None


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100 + "1" + "}" * 100, "1" * 5000, "nul", '"x"', "\ud800"])
def test_a_record_that_is_none_is_empty(text, tmp_path):
    (tmp_path / "run.json").write_text(text, errors="surrogatepass")
    assert RunFolder(tmp_path).status() == {}


@pytest.mark.parametrize("words", [[], ["force=true"]])
def test_a_folder_that_is_no_run_is_left_alone(words, train, capsys):
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("years of work")
    Path("thesis/config.yaml").write_text("mine: 1")
    assert train("paths.run=thesis", *words) == 1
    assert "'thesis' holds 'chapter.tex' and is no run's folder" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in Path("thesis").iterdir() if path.suffix != ".log"} == {
        "chapter.tex": "years of work",
        "config.yaml": "mine: 1",
    }
