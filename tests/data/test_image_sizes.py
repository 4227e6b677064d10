"""Images of any height, width and number of channels, from the files to the pictures of a run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.augment.ada import Ada
from ganforge.augment.apa import Apa
from ganforge.augment.diff_augment import DiffAugment
from ganforge.cli import main
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Splits, labelled
from ganforge.data.decoded import decode
from ganforge.data.embedded import Digits
from ganforge.data.fit import fit
from ganforge.data.given import read_images
from ganforge.data.images import height_and_width
from ganforge.data.modality import Images
from ganforge.data.module import ImageData
from ganforge.losses.consistency import FlipShift
from ganforge.metrics.extractors import DigitClassifier
from ganforge.metrics.extractors.base import as_colour
from ganforge.schedules import Growth

#: A small perceptron on 8 x 12 pixels, for a few steps.
RECTANGLES = ["model=vanilla", "network=mlp", "data=digits", "data.image_size=[8,12]", "network.width=16"]
#: The same on noise of two channels.
TWO_CHANNELS = ["model=vanilla", "network=mlp", "data=digits", "data.channels=2", "data.classes=null"]
TWO_CHANNELS += [f"data.source={{_target_: {__name__}.ManyChannels}}", "~data.source.heldout", "network.width=16"]
TWO_CHANNELS += [f"trust=[{__name__}]"]


class ManyChannels:
    """Noise of as many channels as are asked for; the command line builds it by this module's name."""

    def load(self, modality: Images) -> Splits:
        def part(count: int) -> Any:
            generator = torch.Generator().manual_seed(count)
            images = torch.randint(0, 256, (count, *modality.shape), dtype=torch.uint8, generator=generator)
            return labelled(Column(images, modality), None)

        return Splits(part(64), part(16))


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def test_one_number_is_a_square() -> None:
    assert height_and_width(7) == height_and_width([7, 7]) == (7, 7)
    assert height_and_width((3, 9)) == (3, 9)
    assert Images([3, 9], 2).shape == (2, 3, 9)


def test_files_are_decoded_at_height_and_width(tmp_path: Path) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :30] = 255  # the left half is white
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    wide, tall = (
        decode([tmp_path / "wide.png"], None, Images(size, 1), tmp_path / "cache", workers=0).data.read()
        for size in ((4, 6), (6, 4))
    )
    assert (wide.shape, tall.shape) == ((1, 1, 4, 6), (1, 1, 6, 4))
    for images in (wide, tall):  # scaled to cover, then cut about the centre
        assert images[..., 0].min() > 250
        assert images[..., -1].max() < 5
    assert len(list((tmp_path / "cache" / "decoded").iterdir())) == 2
    with pytest.raises(GanforgeError, match=r"grey or colour, and data\.channels=2: set it to 1 or 3"):
        decode([tmp_path / "wide.png"], None, Images(4, 2), tmp_path / "cache", workers=0)


def test_folders_of_rectangles_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for number in range(3):
        Image.new("L", (6, 4), 80 * number).save(tmp_path / "set" / f"{number}.png")
    read = read_images(tmp_path / "set", tmp_path / "cache").data
    assert read.modality.shape == (3, 4, 6)
    assert read.read()[:, 0, 0, 0].tolist() == [0, 80, 160]
    assert read_images(tmp_path / "set", tmp_path / "cache", [2, 5]).data.read().shape == (3, 3, 2, 5)


@pytest.mark.parametrize("shape", [(1, 8, 12), (1, 12, 8), (3, 8, 12)])
def test_resizing_covers_and_keeps_the_centre(shape: tuple[int, int, int]) -> None:
    stored = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    stored[:, :, 3:5, 3:5] = 200
    fitted = torch.as_tensor(fit(stored, shape, "resize"))
    assert fitted.shape == (2, *shape)
    assert torch.equal(fitted, fitted.flip(2))
    assert torch.equal(fitted, fitted.flip(3))
    assert fitted[:, :, shape[1] // 2, shape[2] // 2].min() > 150


def test_padding_surrounds_with_black() -> None:
    stored = torch.full((2, 1, 8, 8), 9, dtype=torch.uint8)
    padded = torch.as_tensor(fit(stored, (1, 10, 14), "pad"))
    assert torch.equal(padded[:, :, 1:9, 3:11], stored)
    assert padded.sum() == stored.sum()


def test_data_modules_give_rectangles() -> None:
    data = ImageData(Digits(), image_size=[8, 12], channels=1, batch_size=4, horizontal_flip=0.5)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.data.shape == (4, 1, 8, 12)
    assert data.example().data.shape == (12, 1, 8, 12)


def test_training_on_rectangles(train: Callable[..., int], run_folder: Callable[[], Path]) -> None:
    assert train(*RECTANGLES) == 0
    assert size_of(run_folder() / "samples/latest.png") == (4 * (12 + 2) + 2, 4 * (8 + 2) + 2)
    assert main(["sample", f"run={run_folder()}", "mode=grid", "mode.n=6", "mode.columns=3", "device=cpu"]) == 0
    assert size_of(run_folder() / "samples/grid.png") == (3 * (12 + 2) + 2, 2 * (8 + 2) + 2)


def test_training_on_two_channels(train: Callable[..., int], run_folder: Callable[[], Path]) -> None:
    assert train(*TWO_CHANNELS, "protocol=[]") == 0
    with Image.open(run_folder() / "samples/latest.png") as picture:
        blue = np.asarray(picture)[2:10, 2:10, 2]
    assert blue.max() == 0


def test_two_channels_are_not_judged(train: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*TWO_CHANNELS) == 1
    assert "Images have 2 channels" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("channels", [2, 4])
def test_extractors_refuse_other_than_grey_and_colour(channels: int) -> None:
    images = torch.zeros(3, channels, 8, 8, dtype=torch.uint8)
    for read in (as_colour, DigitClassifier().load().module):
        with pytest.raises(GanforgeError, match=rf"have {channels} channels .* 1 \(grey\) or 3 \(colour\)"):
            read(images)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["model=dcgan"],
            r"^ganforge: network=dcgan takes square images, and data\.image_size is 8 x 12: .*network=mlp",
        ),
        (["model=progan"], r"^ganforge: network=progressive takes square images"),
        (["model=vanilla", "data=shapes"], r"^ganforge: data=shapes draws square images, .* 8 x 12"),
        (
            ["model=vanilla", "augment=ada"],
            r"^ganforge: Ada: rotate90 turns square images.* \+augment\.strengths\.rotate90=0",
        ),
    ],
)
def test_squares_alone(settings: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["debug=smoke", "logger=csv", "trainer=cpu", "data=digits", "data.image_size=[8,12]", *settings]
    assert main(["train", *options]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()[-1:]
    assert re.search(message, sentence), sentence


def test_growth_is_of_squares() -> None:
    assert Growth([16, 16], 1)(0) == Growth(16, 1)(0) == 2
    with pytest.raises(GanforgeError, match=r"Growth needs data.image_size to be 4, 8, .* got \[8, 16\]"):
        Growth([8, 16], 1)


@pytest.mark.parametrize(
    "augment",
    [DiffAugment(), Ada("bgcfnc", p=0.9, strengths={"rotate90": 0}), Apa(p=0.5), FlipShift(3)],
    ids=lambda a: type(a).__name__,
)
def test_augmentations_of_rectangles(augment: Callable[[torch.Tensor], torch.Tensor]) -> None:
    torch.manual_seed(0)
    images = torch.rand(16, 3, 12, 20) * 2 - 1
    seen = augment.pseudo(images, lambda: -images) if isinstance(augment, Apa) else augment(images)
    assert seen.shape == images.shape
    assert seen.isfinite().all()
    assert not torch.equal(seen, images)


@pytest.mark.parametrize("augment", [DiffAugment(), Ada(p=0.5), FlipShift()], ids=lambda a: type(a).__name__)
def test_augmentations_of_images_refuse_other_samples(augment: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with pytest.raises(GanforgeError, match=r"images.* samples are 2 numbers; .*leave it out"):
        augment(torch.zeros(8, 2))


def test_deceiving_by_other_samples() -> None:
    """APA replaces whole samples of any kind."""
    torch.manual_seed(0)
    real = torch.arange(64.0)[:, None].expand(-1, 3)
    seen = Apa(p=0.5).pseudo(real, lambda: -1 - real)
    assert torch.equal(seen, seen[:, :1].expand(-1, 3))
    assert set((seen[:, 0] < 0).tolist()) == {True, False}


def test_images_must_be_larger_than_their_shift() -> None:
    with pytest.raises(GanforgeError, match=r"more than 4 pixels on a side, and samples are 1 x 4 x 12 numbers"):
        FlipShift()(torch.zeros(2, 1, 4, 12))
