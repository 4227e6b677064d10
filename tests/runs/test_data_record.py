"""A run's data are recorded: what was added, replaced or moved is noticed wherever the run is used again."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganforge import cli

TINY = [
    "train",
    "data=image_folder",
    "data.source.path=images",
    "protocol=[]",
    "logger=csv",
    "trainer=cpu",
    "network.width=4",
    "data.batch_size=16",
    "data.image_size=16",
    "callbacks.health.images=8",
    "callbacks.samples=null",
    "total_kimg=0.032",
]


def picture(name, seed):
    path = Path("images", name)
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def run():
    for number in range(24):
        picture(f"{number:02d}.png", number)
    assert cli.main(TINY) == 0
    (folder,) = [path.parent for path in Path("outputs").glob("*/*/run.json")]
    return folder


def add():
    picture("99.png", 99)


def replace():
    picture("03.png", 99)


def remove():
    Path("images/03.png").unlink()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (add, "held 22 samples and holds 2[2-3]|held 2 samples and holds 3|other data in train"),
        (replace, "other data in"),
        (remove, "held 2[0-9]? samples and holds"),
    ],
)
def test_changed_images_are_named_and_refused_unless_that_is_meant(change, sentence, run, capsys):
    change()
    capsys.readouterr()
    for words in ([], ["resume=true"], ["resume=last"]):
        assert cli.main([*TINY, *words]) == 1
        told = capsys.readouterr().err
        assert f"The data of '{run}' have changed since it was trained" in told
        assert re.search(sentence, told), told
        assert "data_changed=true" in told
        assert json.loads((run / "run.json").read_text())["state"] == "finished"
    assert cli.main([*TINY, "data_changed=true"]) == 0
    assert "This run is finished" in capsys.readouterr().out
    assert cli.main([*TINY, "total_kimg=0.064", "resume=extend"]) == 1
    assert "have changed" in capsys.readouterr().err
    assert cli.main([*TINY, "total_kimg=0.064", "resume=extend", "data_changed=true"]) == 0
    assert json.loads((run / "run.json").read_text())["start"][-1]["data_changed"]


def test_the_same_images_in_another_place_are_the_same_data(run, capsys):
    shutil.move("images", "elsewhere")
    neighbours = ["sample", str(run), "mode=neighbours", "n=2", "mode.count=1", "mode.space=pixels"]
    assert cli.main(neighbours) == 1
    assert "data.source.path" in capsys.readouterr().err
    assert cli.main([*neighbours, "data.source.path=elsewhere"]) == 0
    Path("elsewhere/03.png").unlink()
    assert cli.main([*neighbours, "data.source.path=elsewhere"]) == 1
    assert "have changed" in capsys.readouterr().err
    assert cli.main([*neighbours, "data.source.path=elsewhere", "data_changed=true"]) == 0


def test_a_user_without_a_home_is_shown_the_way(run, monkeypatch, capsys):
    def nowhere(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("GANFORGE_CACHE")
    monkeypatch.setattr(Path, "expanduser", nowhere)
    assert cli.main([*TINY, "force=true"]) == 1
    told = capsys.readouterr().err
    assert "paths.cache=FOLDER" in told
    assert "GANFORGE_CACHE" in told
