"""``ganforge sample`` as a person types it."""

import inspect
import re

import pytest

import ganforge.sampling
from ganforge import cli
from ganforge.core.config import compose, config_folder
from quick import QUICK

MODES = sorted(path.stem for path in (config_folder() / "mode").glob("*.yaml"))


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_is_a_function_of_its_name_with_its_defaults(mode):
    config = compose([f"mode={mode}"], "sample").mode
    function = getattr(ganforge.sampling, mode)
    assert config._target_ == f"ganforge.sampling.{mode}"
    parameters = {name: value.default for name, value in inspect.signature(function).parameters.items()}
    del parameters["sampler"]
    assert {name: value for name, value in config.items() if not name.startswith("_")} == parameters


def test_help_names_every_mode_and_every_value(capsys):
    with pytest.raises(SystemExit, match="0"):  # Hydra's own
        cli.main(["sample", "--help"])
    printed = capsys.readouterr().out
    for mode in MODES:
        (line,) = re.findall(rf"^{mode} .*(?:\n  +mode\..*)*", printed, re.MULTILINE)
        for name in compose([f"mode={mode}"], "sample").mode:
            assert name.startswith("_") or f"{name}=" in line, (mode, name)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], r"Say which trained run to draw from: run=outputs/<name>/<signature>"),
        (["run=nowhere"], r"There is no run at 'nowhere'"),
        (["run=."], r"'\.' is no run's folder"),
        (["modle=grid"], r"no configuration key or group 'modle'; did you mean mode\?"),
        (["mode=gird"], r"no 'gird' in the group 'mode'; did you mean grid\?"),
        (["mode=traverse", "directions=sefa"], r"no configuration key or group 'directions'; did you mean mode.dire"),
        (["mode.colums=3"], r"no configuration key 'mode.colums'; did you mean mode.columns\?"),
        (["mode=classes", "mode.columns=3"], r"no configuration key 'mode.columns'"),
        (["n=0"], r"n must be a whole number >= 1, got 0"),
        (["n=many"], r"n must be a whole number >= 1, got 'many'"),
        (["zzzzzz=1"], r"see 'ganforge sample --cfg job' for all keys"),
        (["nonsense"], r"There is no run at 'nonsense'"),
    ],
)
def test_bad_input_is_one_sentence(words, sentence, capsys):
    assert cli.main(["sample", *words]) == 1
    printed = capsys.readouterr().err.strip()
    assert re.search(sentence, printed), printed
    assert len(printed.splitlines()) == 1


def test_from_training_to_files(run_folder, capsys, tmp_path):
    assert cli.main(["train", *QUICK, "data=digits", "protocol=[]"]) == 0
    folder = run_folder()
    capsys.readouterr()

    def sample(*words):
        status = cli.main(["sample", f"run={folder}", *words])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    assert sample()[1].startswith(f"{folder / 'samples' / 'grid.png'} (last.ckpt at 128 images). 64 images.")
    whole = (folder / "samples" / "grid.png").read_bytes()
    assert sample("seed=1")[0] == sample("seed=0", "output=mine/again.png")[0] == 0
    assert (tmp_path / "mine" / "again.png").read_bytes() == whole != (folder / "samples" / "grid.png").read_bytes()
    assert sample("mode=interpolate", "mode.format=gif", "zoom=2", "n=2", "mode.steps=3")[0] == 0
    assert sample("checkpoint=previous", "mode=images", "n=3", "mode.format=zip")[0] == 0
    assert "add force=true" in sample("mode=images", "n=3", "mode.format=zip")[1]
    assert sample("mode=images", "n=3", "mode.format=zip", "force=true")[0] == 0
    assert "no checkpoint at" in sample("checkpoint=best")[1]
    assert "use checkpoint=last" in sample("checkpoint=best")[1]
    assert "mode=style_mixing needs a generator with styles" in sample("mode=style_mixing")[1]
    names = {path.name for path in (folder / "samples").iterdir()}
    assert {"grid.png", "interpolate.gif", "images.zip", "latest.png"} <= names
    assert not any(name.startswith(".") for name in names)
    assert "newest one here is run=" in _err(capsys)


def _err(capsys):
    assert cli.main(["sample"]) == 1
    return capsys.readouterr().err
