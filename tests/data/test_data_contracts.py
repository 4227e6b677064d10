"""What holds for every dataset and every kind of samples, found on disk and by walking the package."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from PIL import Image

import ganforge.data
from discovery import concrete, options
from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.label_maps import LabelMaps
from ganforge.data.mixtures import Points, Ring
from ganforge.data.modality import Images, Labels, Modality, Raw, Vectors
from ganforge.data.order import decoded
from ganforge.data.texts import Texts
from ganforge.testing import check_modality, check_source

ROBOTS = ["data.source.count=40", "data.source.heldout=20", "data.image_size=16"]

#: What a dataset's options need besides the defaults: fewer samples where they are drawn, networks of points, images.
OVERRIDES = {
    "shapes": ["data.source.count=40", "data.source.heldout=8"],
    "grid": ["network=mlp_points"],
    "ring": ["network=mlp_points"],
    "scenes": ["data.source.count=40", "data.source.heldout=8"],
    "image_folder": ["data.source.path=images"],
    "captioned_folder": ["data.source.path=captioned", "data.image_size=24"],
    "paired_folder": ["data.source.path=halves", "data.image_size=24", "data.load_size=27"],
    "unpaired_folder": ["data.source.path=sides", "data.image_size=24", "data.load_size=27"],
    "robohash": ROBOTS,
    "robohash_colours": ROBOTS,
    "robohash_parts": ROBOTS,
    "robohash_text": ROBOTS,
}


def write_pictures():
    for name in ("images", "captioned", "halves", "sides/trainA", "sides/trainB"):
        Path(name).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (40, 30), (number, 0, 255)).save(f"{name}/{number}.png")
            if name == "captioned":
                Path(f"captioned/{number}.txt").write_text(f"a picture of {number}")


@pytest.mark.parametrize("name", options("data"))
def test_every_dataset_keeps_the_contract(name):
    write_pictures()
    data = instantiate(compose([f"data={name}", *OVERRIDES.get(name, [])]).data)
    try:
        check_source(data.source, data.modality)
        splits, example = data.splits(), data.example()
        batch = decoded(splits.train.batch(torch.arange(2)), splits.train)
        assert {name: column.shape[1:] for name, column in example.given.items()}.items() <= {
            name: column.shape[1:] for name, column in batch.given.items()
        }.items()
    except GanforgeError as error:
        if "download=true" not in str(error) and "forbids to pass it on" not in str(error):
            raise
        pytest.skip(f"not on this machine: {error}")


#: One of each kind. Raw says nothing about its samples, and nothing can be asked of it.
KINDS = {
    Images: lambda: Images((6, 8), 3, horizontal_flip=0.5),
    LabelMaps: lambda: LabelMaps((6, 8), 4, load_size=(7, 9)),
    Texts: lambda: Texts(4, ["a", "red", "circle"]),
    Vectors: lambda: Vectors(3),
    Labels: lambda: Labels(4),
    Points: lambda: Points(Ring(8, 1.0, 0.01)),
}


@pytest.mark.parametrize("kind", sorted({*concrete(ganforge.data, Modality)} - {Raw}, key=lambda kind: kind.__name__))
def test_every_modality_keeps_the_contract(kind):
    check_modality(KINDS[kind]())


def test_stored_samples_keep_their_values():
    check_modality(Images(4, 1), torch.arange(256, dtype=torch.uint8).view(16, 1, 4, 4))
