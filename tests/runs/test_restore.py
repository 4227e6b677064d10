"""A run comes back from its folder as it was, and nothing foreign comes with it."""

import json

import pytest
import torch
from omegaconf import OmegaConf

from ganforge import __version__
from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.runs.restore import read_config, restore, settle


def test_samples_as_the_trained_model(train, run_folder):
    assert train("ema=default") == 0
    folder = run_folder()
    restored = restore(folder)
    again = restore(folder / "checkpoints" / "last.ckpt")
    assert restored.images_seen == again.images_seen > 0
    draw = [run.module.sample(4, generator=torch.Generator().manual_seed(1)) for run in (restored, again)]
    assert torch.equal(*draw)
    assert draw[0].shape == (4, 1, 32, 32)
    assert len(restored.data.splits().train) == 4500


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.run", "ganforge.runs.folder.subprocess.run", "ganforge.absent.X"]
)
def test_foreign_code_is_refused(target, train, run_folder):
    assert train() == 0
    folder = run_folder()
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(f"{text}\nextra:\n  _target_: {target}\n")
    with pytest.raises(GanforgeError, match=f"asks to build '{target}'"):
        restore(folder)


@pytest.mark.parametrize(("wrote", "said"), [("0.1.0", f"{__version__}, while 0.1.0 wrote the run"), (__version__, "")])
def test_an_unknown_class_names_the_version_that_wrote_the_run(wrote, said, tmp_path):
    (tmp_path / "config.yaml").write_text("model: {_target_: ganforge.folder.Old}")
    (tmp_path / "run.json").write_text(json.dumps({"packages": {"ganforge": wrote}}))
    with pytest.raises(GanforgeError, match=r"asks to build 'ganforge\.folder\.Old'") as error:
        read_config(tmp_path)
    assert said in str(error.value)
    assert ("wrote the run" in str(error.value)) is (wrote != __version__)


@pytest.mark.parametrize(
    "hidden",
    [
        """model: '${oc.create:{_target_: shutil.copy, src: a, dst: b}}'""",
        """model: {_target_: torch.nn.Identity, _args_: ["${oc.create:'{_target_: torch.load, f: a}'}"]}""",
        """model: {_target_: torch.nn.Identity}\n'${oc.env:HOME}': 1""",
    ],
)
def test_code_that_an_interpolation_hides_is_refused(hidden, tmp_path):
    (tmp_path / "config.yaml").write_text(hidden)
    with pytest.raises(GanforgeError, match=r"holds a '\$\{', which the configuration of a run never does"):
        read_config(tmp_path)


def test_a_command_says_where_the_data_lie(tmp_path, monkeypatch):
    monkeypatch.delenv("GANFORGE_DATA", raising=False)
    run = compose(["data=stacked_mnist", "protocol=fid50k_train", f"paths.data={tmp_path}"])
    here = OmegaConf.create({"download": True, "paths": {"data": None, "cache": "kept"}})
    settle(run, here)
    assert (run.data.source.digits.root, run.data.source.digits.download) == (str(tmp_path), True)
    assert run.protocol.fid50k_train.extractor.download
    run.data.source.digits.root = str(tmp_path / "of another machine")
    settle(run, here)
    assert run.data.source.digits.root == str(tmp_path / "of another machine")
    monkeypatch.setenv("GANFORGE_DATA", str(tmp_path / "here"))
    settle(run, here)
    assert run.data.source.digits.root == str(tmp_path / "here")
    settle(run, OmegaConf.create({"download": False, "paths": {"data": "given", "cache": "kept"}}))
    assert (run.data.source.digits.root, run.data.source.digits.download) == ("given", False)
    assert not run.protocol.fid50k_train.extractor.download
    faces = compose(["data=celeba"])
    settle(faces, here)
    assert faces.data.source.cache == "kept"


def test_what_is_no_run_is_reported(tmp_path, train, run_folder):
    with pytest.raises(GanforgeError, match=r"no run's folder"):
        restore(tmp_path)
    assert train() == 0
    folder = run_folder()
    with pytest.raises(GanforgeError, match=r"no checkpoint at"):
        restore(folder, "best-of-all.ckpt")
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("width: 4", "width: 8"))
    with pytest.raises(GanforgeError, match="does not hold the networks"):
        restore(folder)
    (folder / "config.yaml").write_text("a: [1")
    with pytest.raises(GanforgeError, match="cannot be read"):
        restore(folder)
