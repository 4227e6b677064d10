"""Files of other programs are not replaced by what a mode writes."""

import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganforge.core.errors import GanforgeError
from ganforge.sampling import Film, Picture, export, images, interpolate


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("content", ["{}", "[1]", "no json", '{"generator": 1}'])
def test_a_json_file_beside_exported_weights(make_sampler, content, force):
    sampler = make_sampler(["network.width=4"])
    Path("x.json").write_text(content)
    with pytest.raises(GanforgeError, match=r"'x\.json' was not written by this mode, and is not replaced"):
        export(sampler).save("x.safetensors", force=force)
    assert Path("x.json").read_text() == content
    assert not Path("x.safetensors").exists()


def test_an_export_is_replaced_by_the_next_one_when_asked(make_sampler):
    sampler = make_sampler(["network.width=4"])
    for _ in range(2):
        export(sampler).save("x.safetensors", force=True)
    assert Path("x.json").is_file()


@pytest.mark.parametrize("name", ["holiday.png", "holiday.gif"])
def test_a_picture_of_another_program(name):
    Image.new("RGB", (8, 8)).save(name)
    before = Path(name).read_bytes()
    frames = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    made = Picture(frames[0]) if name.endswith("png") else Film(frames, 5)
    for force in (False, True):
        with pytest.raises(GanforgeError, match="was not written by this command, and is not replaced"):
            made.save(name, force=force)
        assert Path(name).read_bytes() == before
    Path(name).unlink()
    made.save(name)
    made.save(name)  # its own
    made.save(name, force=True)


FORMS = {
    "zip": lambda sampler: images(sampler, n=2, format="zip"),
    "npz": lambda sampler: images(sampler, n=2, format="npz"),
    "safetensors": export,
    "pt2": lambda sampler: export(sampler, "torch_export"),
    "onnx": lambda sampler: export(sampler, "onnx"),
    "mp4": lambda sampler: interpolate(sampler, n=2, steps=2, format="mp4"),
}


@pytest.mark.parametrize("form", FORMS)
def test_force_replaces_what_a_mode_has_written_and_nothing_else(form, make_sampler):
    if form == "mp4":
        pytest.importorskip("av")
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    made, path = FORMS[form](make_sampler(["network.width=4"])), Path(f"x.{form}")
    path.write_bytes(b"somebody's")
    with pytest.raises(GanforgeError, match="was not written by this command, and is not replaced"):
        made.save(path, force=True)
    assert path.read_bytes() == b"somebody's"
    path.unlink()
    made.save(path)
    written = path.stat().st_ino
    made.save(path, force=True)
    assert path.stat().st_ino != written


def test_an_archive_of_ones_own_that_holds_what_a_mode_has_written(make_sampler):
    folder = images(make_sampler(["network.width=4"]), n=2).save("pictures")
    with zipfile.ZipFile("mine.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file)
    with pytest.raises(GanforgeError, match="was not written by this command"):
        images(make_sampler(["network.width=4"]), n=2, format="zip").save("mine.zip", force=True)


@pytest.mark.parametrize("name", ["000000.png", "labels.csv"])
def test_a_folder_of_somebodys_numbered_pictures(name, make_sampler):
    made, mine = images(make_sampler(["network.width=4"]), n=2), Path("mine") / name
    mine.parent.mkdir()
    if name.endswith("png"):
        Image.new("RGB", (8, 8)).save(mine)
    else:
        mine.write_text("name,phone\n")
    before = mine.read_bytes()
    with pytest.raises(GanforgeError, match=f"holds '{name}', which was not written there by this command"):
        made.save("mine", force=True)
    assert mine.read_bytes() == before
    mine.unlink()
    Path("link").symlink_to("nowhere")
    with pytest.raises(GanforgeError, match="is a link"):
        made.save("link", force=True)
    made.save("mine", force=True)  # an empty one
