"""Extractors: the shipped classifier's accuracy, torch-fidelity's features, resizes as published, missing weights."""

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_inception import write
from safetensors import safe_open

import ganforge.metrics.extractors
from discovery import concrete
from ganforge.core.errors import GanforgeError
from ganforge.data.embedded import Mnist5k
from ganforge.data.fit import fit
from ganforge.data.modality import Images
from ganforge.metrics.extractors import (
    AttributeClassifier,
    DigitClassifier,
    DinoV2,
    EfficientNetLite0,
    EfficientNetLite1,
    Extractor,
    Identity,
    Inception,
    StackedDigitClassifier,
)
from ganforge.metrics.extractors.base import InParts
from ganforge.metrics.extractors.dinov2 import DINOV2_FILE
from ganforge.metrics.extractors.inception import INCEPTION_FILE, RESIZES
from ganforge.testing import check_extractor


def colour(count, side=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="session")
def inception(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inception")
    return write(folder / "hub" / "checkpoints" / INCEPTION_FILE), folder


@pytest.fixture
def extractors(inception, tmp_path):
    """One of each kind; DINOv2's is the smallest of the family, random, in the published layout of its file."""
    from timm import create_model

    torch.manual_seed(0)
    small = create_model("vit_small_patch14_dinov2", num_classes=0)
    torch.save(small.state_dict() | {"mask_token": torch.zeros(1, 384)}, tmp_path / "small.pth")
    return [
        DigitClassifier(),
        StackedDigitClassifier(),
        DinoV2(str(tmp_path / "small.pth"), "vit_small_patch14_dinov2"),
        EfficientNetLite0(),
        EfficientNetLite1(),
        AttributeClassifier(),
        Identity(),
        Inception(str(inception[1] / "hub" / "checkpoints" / INCEPTION_FILE)),
    ]


def test_every_extractor_keeps_the_contract(extractors):
    assert {type(extractor) for extractor in extractors} == {*concrete(ganforge.metrics.extractors, Extractor)}
    for extractor in extractors:
        check_extractor(extractor, colour(3, 64))


def test_classifier_states_and_has_its_accuracy():
    loaded = DigitClassifier().load()
    path = Path(__import__("ganforge").__file__).parent / "metrics" / "lenet_mnist.safetensors"
    assert path.stat().st_size < 500_000
    with safe_open(path, "pt") as weights:
        stated = float(weights.metadata()["heldout_accuracy"])
    heldout = Mnist5k().load(Images(28, 1)).heldout
    measured = (loaded.module(heldout.data.values).logits.argmax(1) == heldout.label).float().mean().item()
    assert measured >= 0.97
    assert measured == pytest.approx(stated, abs=1e-3)
    in_colour = fit(heldout.data.values, (3, 32, 32), "pad")
    assert (loaded.module(in_colour).logits.argmax(1) == heldout.label).float().mean() >= 0.97


def test_stacked_classifier_reads_three_digits():
    heldout = Mnist5k().load(Images(28, 1)).heldout
    stacked = heldout.data.values[:300].view(100, 3, 28, 28)
    labels = (heldout.label[:300].view(100, 3) * torch.tensor([100, 10, 1])).sum(1)
    loaded = StackedDigitClassifier().load()
    features, logits = loaded.module(stacked)
    assert (features.shape, logits.shape) == ((100, loaded.dimensions), (100, loaded.classes))
    assert (logits.argmax(1) == labels).float().mean() > 0.95
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(100))
    with pytest.raises(GanforgeError, match="data=stacked_mnist5k"):
        loaded.module(stacked[:, :1])


def test_inception_equals_torch_fidelity_s(inception, monkeypatch):
    network, home = inception
    monkeypatch.setenv("TORCH_HOME", str(home))
    loaded = Inception().load()
    for images in (colour(3), colour(2)[:, :1]):
        with torch.no_grad():
            expected = network(images.expand(-1, 3, -1, -1).contiguous())
        found = loaded.module(images)
        for mine, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())
    assert (found.features.shape[1], found.logits.shape[1]) == (loaded.dimensions, loaded.classes)


def test_clean_resize_is_pillow_s():
    image = colour(1, 40)[0]
    planes = [
        np.asarray(
            Image.fromarray(plane.numpy().astype(np.float32), mode="F").resize((299, 299), Image.Resampling.BICUBIC)
        )
        for plane in image
    ]
    expected = torch.from_numpy(np.stack(planes)).clamp(0, 255)
    assert (RESIZES["bicubic-antialias"](image[None])[0] - expected).abs().max() < 0.01
    large = colour(1, 500)[0]
    shrunk = np.asarray(
        Image.fromarray(large[0].numpy().astype(np.float32), mode="F").resize((299, 299), Image.Resampling.BICUBIC)
    )
    found = RESIZES["bicubic-antialias"](large[None])[0, 0]
    assert (found - torch.from_numpy(shrunk.copy()).clamp(0, 255)).abs().max() < 0.01


def test_resizes_differ():
    resized = [resize(colour(1)) for resize in RESIZES.values()]
    assert all((a - b).abs().max() > 1 for a, b in ((resized[0], resized[1]), (resized[1], resized[2])))
    with pytest.raises(GanforgeError, match=r"extractor\.resize must be one of"):
        Inception(resize="nearest")


def test_inception_weights_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        GanforgeError, match=rf"put {INCEPTION_FILE} .*sha256 6726825d.* into '{tmp_path}.*download=true"
    ):
        Inception().load()
    with pytest.raises(GanforgeError, match="no weight file at"):
        Inception(str(tmp_path / "nothing.pth")).load()


def test_inception_refuses_a_pickle_that_runs_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"weight": Evil()}))
    with pytest.raises(GanforgeError, match="not torch-fidelity's Inception weights"):
        Inception(str(path)).load()
    assert not (tmp_path / "ran").exists()


def test_efficientnet_knows_photographs():
    from sklearn.datasets import load_sample_image

    loaded = EfficientNetLite0().load()
    flower, church = (torch.tensor(load_sample_image(f"{name}.jpg")).permute(2, 0, 1) for name in ("flower", "china"))
    logits = loaded.module(torch.stack([flower, church])).logits
    assert logits.argmax(1).tolist() == [985, 442]  # ImageNet's daisy and bell tower
    assert loaded.module(colour(2)[:, :1]).features.shape == (2, loaded.dimensions)


def test_absent_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GanforgeError, match=r"install .*\[offline\]'"):
        EfficientNetLite0().load()
    with pytest.raises(GanforgeError, match=r"install .*\[dinov2\]'"):
        DinoV2().load()


def test_dinov2_takes_a_weight_file_of_its_layout(tmp_path, monkeypatch):
    """With the smallest of the family, random, at the position embedding's published size of 37 x 37 patches."""
    from timm import create_model

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(GanforgeError, match=rf"put Meta's {DINOV2_FILE} into"):
        DinoV2().load()
    torch.manual_seed(0)
    network = create_model("vit_small_patch14_dinov2", num_classes=0).eval()
    path = tmp_path / "small.pth"
    torch.save(network.state_dict() | {"mask_token": torch.zeros(1, 384)}, path)
    loaded = DinoV2(str(path), "vit_small_patch14_dinov2").load()
    features, logits = loaded.module(colour(2, 64))
    assert (features.shape, logits.shape) == ((2, 384), (2, 0))
    assert features.isfinite().all()
    with pytest.raises(GanforgeError, match="does not hold the weights"):
        DinoV2(str(path), "vit_base_patch14_dinov2").load()


def test_parts_shrink_until_they_fit():
    seen = []

    def network(images):
        seen.append(len(images))
        if len(images) > 3:
            raise torch.cuda.OutOfMemoryError("full")
        return images.flatten(1), images.flatten(1)

    images = torch.arange(10.0).view(10, 1, 1, 1)
    parts = InParts(network, cpu_size=8)
    assert torch.equal(parts(images).features.flatten(), images.flatten())
    assert torch.equal(parts(images).logits, images.flatten(1))
    assert seen == [8, 4, *[2] * 5, *[2] * 5]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        InParts(lambda part: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError("always")))(images)


def test_weights_are_where_torch_downloads_them(monkeypatch, tmp_path):
    from ganforge.metrics.extractors.base import hub_folder

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert hub_folder() == tmp_path / "torch" / "hub" / "checkpoints"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    assert hub_folder() == tmp_path / "home" / "hub" / "checkpoints"
