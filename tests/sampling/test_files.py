"""Files are whole or absent, and hold the images they say."""

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from sampling_runs import CONDITIONAL, DCGAN

from ganforge.core.errors import GanforgeError
from ganforge.data.folder import ImageFolder
from ganforge.data.given import read_images
from ganforge.data.modality import Images as Modality
from ganforge.sampling import export, grid, images

COLOUR = ["data=shapes", "network.width=4", "latent.dim=8", "data.image_size=16"]


def pixels(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.mode, np.asarray(image)


@pytest.mark.parametrize(("overrides", "mode"), [(DCGAN, "L"), (CONDITIONAL, "L"), (COLOUR, "RGB")], ids=str)
def test_folder_zip_and_npz_hold_the_same_images(overrides, mode, make_sampler, tmp_path):
    sampler = make_sampler(overrides, batch_size=4)
    expected = sampler.draw(sampler.latents(11), sampler.labels(11)).permute(0, 2, 3, 1).numpy()
    folder = images(sampler, n=11).save(tmp_path / "images")
    archive = images(sampler, n=11, format="zip").save(tmp_path / "images.zip")
    with zipfile.ZipFile(archive) as opened:
        zipped = {name: opened.read(name) for name in opened.namelist()}
    assert zipped == {path.name: path.read_bytes() for path in folder.iterdir()}
    for k in range(11):
        found_mode, found = pixels(zipped[f"{k:06d}.png"])
        assert found_mode == mode
        assert np.array_equal(found.reshape(expected[k].shape), expected[k])
    with np.load(images(sampler, n=11, format="npz").save(tmp_path / "images.npz")) as arrays:
        assert np.array_equal(arrays["images"], expected)
        assert ("labels" in arrays) == (sampler.classes is not None)
        if sampler.classes is not None:
            table = csv.DictReader(io.StringIO(zipped["labels.csv"].decode()))
            assert [int(row["label"]) for row in table] == arrays["labels"].tolist() == [k % 10 for k in range(11)]
    assert len(zipped) == 11 + (sampler.classes is not None)


def test_no_more_than_a_batch_is_in_memory(make_sampler, tmp_path, monkeypatch):
    sampler = make_sampler(DCGAN, batch_size=3)
    drawn = []
    original = sampler.draw
    monkeypatch.setattr(
        sampler, "draw", lambda latents, labels: drawn.append(len(latents)) or original(latents, labels)
    )
    images(sampler, n=10, format="npz").save(tmp_path / "images.npz")
    assert drawn[1:] == [3, 3, 3, 1], "the first one asks for the images' shape"


@pytest.mark.parametrize("form", ["folder", "zip", "npz"])
def test_a_full_disk_and_an_interrupt_leave_what_was_there(form, make_sampler, tmp_path, monkeypatch):
    sampler = make_sampler(DCGAN, batch_size=3)
    made = images(sampler, n=6, format=form)
    path = made.save(tmp_path / f"images{made.suffix}")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    original = sampler.draw
    for error, expected in (
        (OSError(28, "No space left on device"), GanforgeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def fail(latents, labels, error=error):
            if not torch.equal(latents[:1], sampler.latents(1, start=3)):
                return original(latents, labels)
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(sampler, "draw", fail)
            with pytest.raises(expected) as caught:
                made.save(path, force=True)
        assert expected is KeyboardInterrupt or "No space left for" in str(caught.value)
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    with pytest.raises(GanforgeError, match="is there already: add force=true"):
        made.save(path)
    images(sampler, n=2, format=form).save(path, force=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} != before


def test_force_deletes_no_folder_of_something_else(make_sampler, tmp_path, monkeypatch):
    made = images(make_sampler(DCGAN), n=2)
    run = tmp_path / "outputs" / "name" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_text("{}")
    with pytest.raises(GanforgeError, match="holds 'name', which was not written there"):
        made.save(tmp_path / "outputs", force=True)
    assert run.read_text() == "{}"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "000000.png").mkdir()
    with pytest.raises(GanforgeError, match=r"holds '000000\.png'"):
        made.save(tmp_path / "mine", force=True)
    (tmp_path / "pictures.png").mkdir()
    with pytest.raises(GanforgeError, match="is a folder, and is not replaced"):
        grid(make_sampler(DCGAN), n=4).save(tmp_path / "pictures.png", force=True)
    for name in (".", "..", "/"):
        with pytest.raises(GanforgeError, match=r"output must (name a|be a)"):
            made.save(name, force=True)
    (tmp_path / "link").symlink_to(made.save(tmp_path / "images"))
    with pytest.raises(GanforgeError, match="is a link"):
        made.save(tmp_path / "link", force=True)
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_a_folder_is_there_until_the_new_one_is(make_sampler, tmp_path, monkeypatch):
    sampler = make_sampler(DCGAN)
    path = images(sampler, n=3).save(tmp_path / "images")
    original = Path.replace

    def fail(self, target):
        if self.is_dir():
            raise OSError(5, "Input/output error")
        return original(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="Input/output"):
            images(sampler, n=1).save(path, force=True)
    assert len(list(path.iterdir())) == 3
    images(sampler, n=1).save(path, force=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["images"]
    assert len(list(path.iterdir())) == 1


def test_safetensors_are_read_back(make_sampler, tmp_path, monkeypatch):
    monkeypatch.setattr("safetensors.torch.load_file", lambda path: {k: v + 1 for k, v in load_file(path).items()})
    with pytest.raises(GanforgeError, match="does not read back"):
        export(make_sampler(DCGAN)).save(tmp_path / "generator.safetensors")
    assert not list(tmp_path.glob("*.safetensors"))


def test_pictures_replace_pictures_but_no_folder(make_sampler, tmp_path):
    picture = grid(make_sampler(DCGAN), n=4)
    path = picture.save(tmp_path / "grid.png")
    assert picture.save(path) == path
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(GanforgeError, match="is a folder, and is not replaced"):
        picture.save(tmp_path / "folder.png")


def test_safetensors_hold_the_averaged_weights_and_the_configuration(make_sampler, tmp_path):
    from hydra.utils import instantiate

    sampler = make_sampler(CONDITIONAL)
    path = export(sampler).save(tmp_path / "generator.safetensors")
    config = json.loads((tmp_path / "generator.json").read_text())
    with safe_open(path, "pt") as opened:
        assert json.loads(opened.metadata()["ganforge"]) == config
    generator = instantiate(config["generator"]).eval()
    generator.load_state_dict(load_file(path))
    latents, labels = sampler.latents(3), sampler.labels(3)
    assert torch.equal(generator(latents, labels), sampler.network(latents, labels))
    assert config["classes"] == 10
    assert instantiate(config["latent"]).dim == 8


def test_truncation_of_latents_is_not_a_part_of_the_generator(make_sampler):
    with pytest.raises(GanforgeError, match=r"confines this run's latents.*leave truncation out"):
        export(make_sampler(DCGAN, truncation=0.5))


def test_onnx_without_its_packages(make_sampler, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(GanforgeError, match=r"needs the package onnx: .*pip install .*\[onnx\]'"):
        export(make_sampler(DCGAN), format="onnx")


@pytest.mark.parametrize("overrides", [CONDITIONAL, DCGAN], ids=["labels", "no labels"])
@pytest.mark.parametrize("form", ["folder", "zip", "npz"])
def test_what_is_written_is_read_back_with_its_labels(form, overrides, make_sampler, tmp_path):
    sampler = make_sampler(overrides, batch_size=16)
    path = images(sampler, n=24, format=form).save(tmp_path / f"images{'' if form == 'folder' else f'.{form}'}")
    expected = sampler.draw(sampler.latents(24), sampler.labels(24))
    read = read_images(path, tmp_path / "cache")
    assert torch.equal(read.data.read()[:, :1], expected)
    labels = None if sampler.classes is None else [number % 10 for number in range(24)]
    assert (None if read.label is None else read.label.tolist()) == labels
    if form != "npz" and labels is not None:
        source = ImageFolder(str(path), str(tmp_path / "cache"), labelled=True, workers=0)
        splits = source.load(Modality(sampler.modality.shape[1:], 1))
        assert sorted(torch.cat([splits.train.label, splits.heldout.label]).tolist()) == sorted(labels)
