"""Shapes: areas in closed form, balance, determinism, and a run."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.modality import Images
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


@pytest.mark.parametrize("shape", AREAS)
def test_shapes_cover_their_area_and_stay_inside(shape: str) -> None:
    source = Shapes(20, 1, shapes=[shape], colours=["white"], radius=(0.3, 0.3))
    drawn = source.load(Images(64, 3)).train.data.read().double() / 255
    torch.testing.assert_close(
        drawn.mean((1, 2, 3)), torch.full((20,), AREAS[shape] * 0.09, dtype=torch.float64), rtol=0.01, atol=0
    )
    assert 0 < ((drawn > 0) & (drawn < 1)).double().mean() < 0.1  # antialiased edges, and edges alone


def test_classes_are_balanced_and_say_what_is_drawn() -> None:
    train = Shapes(1600, 16).load(Images(16, 3)).train
    assert train.label is not None
    assert torch.bincount(train.label).tolist() == [100] * 16
    brightest = train.data.read().flatten(2).amax(2)
    for colour, expected in enumerate([(230, 40, 40), (40, 190, 60), (50, 80, 240), (240, 220, 50)]):
        own = brightest[train.label % 4 == colour]
        assert torch.equal(own, torch.tensor(expected, dtype=torch.uint8).expand_as(own))


@pytest.mark.parametrize(("label", "classes"), [("shape", 4), ("colour", 3), ("shape_and_colour", 12)])
def test_labels_by_shape_or_colour(label: Any, classes: int) -> None:
    source = Shapes(120, 12, colours=["red", "blue", "cyan"], label=label)
    labels = source.load(Images(8, 3)).train.label
    assert labels is not None
    assert torch.bincount(labels).tolist() == [120 // classes] * classes
    assert source.classes == classes


def test_images_are_fixed_by_the_seed_and_differ_within_and_between_splits() -> None:
    first, again, other = (Shapes(1500, 500, seed=seed).load(Images(32, 3)) for seed in (0, 0, 1))
    assert torch.equal(first.train.data.read(), again.train.data.read())
    assert not torch.equal(first.train.data.read(), other.train.data.read())
    seen = torch.cat([first.train.data.read(), first.heldout.data.read(), other.train.data.read()])
    assert len({image.numpy().tobytes() for image in seen}) == len(seen)


def test_scenes_do_not_depend_on_the_resolution() -> None:
    fine, coarse = (Shapes(32, 1).load(Images(size, 3)).train.data.read().float() for size in (64, 32))
    difference = torch.nn.functional.avg_pool2d(fine, 2) - coarse
    assert difference.abs().mean() < 1


def test_background_and_grey_images() -> None:
    source = Shapes(16, 16, background=90, radius=(0.1, 0.2))
    train = ImageData(source, image_size=24, channels=1, batch_size=4, classes=16).splits().train
    assert train.data.values.shape == (16, 1, 24, 24)
    assert train.data.read().flatten(1).mode(1).values.tolist() == [90] * 16


@pytest.mark.parametrize(
    ("settings", "message"),
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
def test_refusals(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GanforgeError, match=rf"data\.source\.{message}"):
        Shapes(**settings)


def test_option_s_classes_agree_with_its_source() -> None:
    from hydra.utils import instantiate

    config = compose(["data=shapes"])
    assert instantiate(config.data.source).classes == config.data.classes
    assert not config.protocol


def test_command_line_run(train: Callable[..., int], run_folder: Callable[[], Path]) -> None:
    assert train("model=dcgan", "data=shapes", "data.source.count=100", "data.source.heldout=20") == 0
    assert (run_folder() / "samples/latest.png").exists()
