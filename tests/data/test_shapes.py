"""Shapes: areas in closed form, balance, determinism, and a run."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.arrays import ImageArray
from ganforge.data.module import ImageData
from ganforge.data.shapes import Shapes

#: Areas of unit circumradius: a star's is ``points * ratio * sin(pi / points)``.
AREAS = {
    "circle": math.pi,
    "triangle": 3 * math.sqrt(3) / 4,
    "square": 2.0,
    "pentagon": 2.5 * math.sin(math.radians(72)),
    "hexagon": 1.5 * math.sqrt(3),
    "star": 5 * (3 - math.sqrt(5)) / 2 * math.sin(math.pi / 5),
    "hexagram": math.sqrt(3),
}


def images(array: ImageArray) -> torch.Tensor:
    return array[torch.arange(len(array))]


@pytest.mark.parametrize("shape", AREAS)
def test_shapes_cover_their_area_and_stay_inside(shape: str) -> None:
    source = Shapes(20, 1, shapes=[shape], colours=["white"], radius=(0.3, 0.3))
    drawn = images(source.load(64, 3).train).double() / 255
    torch.testing.assert_close(
        drawn.mean((1, 2, 3)), torch.full((20,), AREAS[shape] * 0.09, dtype=torch.float64), rtol=0.01, atol=0
    )
    assert 0 < ((drawn > 0) & (drawn < 1)).double().mean() < 0.1  # antialiased edges, and edges alone


def test_classes_are_balanced_and_say_what_is_drawn() -> None:
    train = Shapes(1600, 16).load(16, 3).train
    assert train.labels is not None
    assert torch.bincount(train.labels).tolist() == [100] * 16
    brightest = images(train).flatten(2).amax(2)
    for colour, expected in enumerate([(230, 40, 40), (40, 190, 60), (50, 80, 240), (240, 220, 50)]):
        own = brightest[train.labels % 4 == colour]
        assert torch.equal(own, torch.tensor(expected, dtype=torch.uint8).expand_as(own))


@pytest.mark.parametrize(("label", "classes"), [("shape", 4), ("colour", 3), ("shape_and_colour", 12)])
def test_labels_by_shape_or_colour(label: Any, classes: int) -> None:
    source = Shapes(120, 12, colours=["red", "blue", "cyan"], label=label)
    labels = source.load(8, 3).train.labels
    assert labels is not None
    assert torch.bincount(labels).tolist() == [120 // classes] * classes
    assert source.classes == classes


def test_images_are_fixed_by_the_seed_and_differ_within_and_between_splits() -> None:
    first, again, other = (Shapes(1500, 500, seed=seed).load(32, 3) for seed in (0, 0, 1))
    assert torch.equal(images(first.train), images(again.train))
    assert not torch.equal(images(first.train), images(other.train))
    seen = torch.cat([images(first.train), images(first.heldout), images(other.train)])
    assert len({image.numpy().tobytes() for image in seen}) == len(seen)


def test_scenes_do_not_depend_on_the_resolution() -> None:
    fine, coarse = (images(Shapes(32, 1).load(size, 3).train).float() for size in (64, 32))
    difference = torch.nn.functional.avg_pool2d(fine, 2) - coarse
    assert difference.abs().mean() < 1


def test_background_and_grey_images() -> None:
    source = Shapes(16, 16, background=90, radius=(0.1, 0.2))
    train = ImageData(source, image_size=24, channels=1, batch_size=4, classes=16).splits().train
    assert train.images.shape == (16, 1, 24, 24)
    assert images(train).flatten(1).mode(1).values.tolist() == [90] * 16


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"count": 0}, "count"),
        ({"shapes": ["blob"]}, "shapes.*star"),
        ({"colours": ["red", "red"]}, "colours"),
        ({"colours": []}, "colours"),
        ({"label": "size"}, "label"),
        ({"radius": (0.4, 0.6)}, "radius"),
        ({"background": 300}, "background"),
    ],
)
def test_refusals(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(GanforgeError, match=rf"data\.source\.{told}"):
        Shapes(**settings)


def test_option_s_classes_agree_with_its_source() -> None:
    from hydra.utils import instantiate

    config = compose(["data=shapes"])
    assert instantiate(config.data.source).classes == config.data.classes
    assert not config.protocol


def test_command_line_run(train: Callable[..., int], run_folder: Callable[[], Path]) -> None:
    assert train("model=dcgan", "data=shapes", "data.source.count=100", "data.source.heldout=20") == 0
    assert (run_folder() / "samples/latest.png").exists()
