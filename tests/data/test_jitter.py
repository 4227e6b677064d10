"""Random crops and mirroring: alike on both sides of a pair, and a function of seed and position."""

import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import SOURCE, Batch, Column, Split
from ganforge.data.images import normalise
from ganforge.data.label_maps import LabelMaps
from ganforge.data.modality import Images
from ganforge.data.order import BatchOrder, TrainingBatches, decoded

SIZE, LOAD = (16, 12), (20, 15)


def images(count: int = 9, seed: int = 0) -> Tensor:
    """Smooth pictures, which enlarging hardly changes."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    return (F.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1) * 255).round().to(torch.uint8)


def pair(flip: float = 0.5, paired: bool = True) -> Split:
    kind = Images(SIZE, 3, horizontal_flip=flip, load_size=LOAD)
    stored = images()
    return Split(Column(stored, kind), {SOURCE: Column(255 - stored, kind)}, paired)


def drawn(split: Split, *, seed: int = 0, start: int = 0, count: int = 6) -> list[Batch]:
    order = BatchOrder(len(split), 6, seed, lambda: start)
    batches = TrainingBatches(split, order)
    return [decoded(batches[at], split) for at, _ in zip(order, range(count), strict=False)]


def test_both_sides_of_a_pair_are_cropped_and_mirrored_alike() -> None:
    for batch in drawn(pair()):
        torch.testing.assert_close(batch.data, -batch.given[SOURCE], atol=1e-5, rtol=0)


def test_sides_that_are_no_pair_have_choices_of_their_own() -> None:
    (batch, *_) = drawn(pair(paired=False))
    assert (batch.data + batch.given[SOURCE]).abs().mean() > 0.1


def test_crops_are_what_the_enlarged_image_shows_there() -> None:
    kind = Images(SIZE, 3, load_size=LOAD)
    stored = normalise(images())
    choice = kind.choose(9, torch.Generator().manual_seed(3))
    enlarged = F.interpolate(stored, LOAD, mode="bicubic", align_corners=False, antialias=True)
    changed = kind.transform(stored, choice)
    assert changed.abs().max() <= 1
    corners = set()
    for image, (_, top, left), whole in zip(changed, choice.tolist(), enlarged, strict=True):
        y, x = int(top * (LOAD[0] - SIZE[0] + 1)), int(left * (LOAD[1] - SIZE[1] + 1))
        corners.add((y, x))
        torch.testing.assert_close(image, whole[:, y : y + SIZE[0], x : x + SIZE[1]].clamp(-1, 1), atol=2e-2, rtol=0)
    assert len(corners) > 4
    every = {
        (int(top * 5), int(left * 4)) for _, top, left in kind.choose(2000, torch.Generator().manual_seed(0)).tolist()
    }
    assert every == {(y, x) for y in range(5) for x in range(4)}


def test_choices_are_a_function_of_seed_and_position() -> None:
    whole = drawn(pair())
    for first, second in zip(whole[2:], drawn(pair(), start=12, count=4), strict=True):
        assert torch.equal(first.data, second.data)
        assert torch.equal(first.given[SOURCE], second.given[SOURCE])
    assert not torch.equal(whole[0].data, drawn(pair(), seed=1)[0].data)


def test_mirroring_is_what_it_was_without_crops() -> None:
    """One stream of numbers decides it: runs of images that are only mirrored keep their bits."""
    chosen = Images(SIZE, 3, horizontal_flip=0.5).choose(64, torch.Generator().manual_seed(5))[:, 0]
    assert torch.equal(chosen == 1, torch.rand(64, generator=torch.Generator().manual_seed(5)) < 0.5)


def test_label_maps_are_cropped_with_their_pictures_and_classes_do_not_mix() -> None:
    stored = images()
    classes = (stored[:, :1] > 127).to(torch.uint8)
    kinds = Images(SIZE, 3, horizontal_flip=0.5, load_size=LOAD), LabelMaps(SIZE, 2, load_size=LOAD)
    split = Split(Column(stored, kinds[0]), {SOURCE: Column(classes, kinds[1])})
    for batch in drawn(split):
        assert set(batch.given[SOURCE].unique().tolist()) == {0.0, 1.0}
        assert torch.equal(batch.given[SOURCE].sum(1), torch.ones(6, *SIZE))
        agreement = ((batch.data[:, 0] > 0) == (batch.given[SOURCE][:, 1] > 0)).float().mean()
        assert agreement > 0.93


def test_held_out_images_are_whole() -> None:
    split = pair()
    batch = split.batch(torch.arange(9))
    assert torch.equal(decoded(batch, split).data, normalise(batch.data))


@pytest.mark.parametrize("load_size", [8, [16, 11], [16, 12, 3]])
def test_impossible_load_sizes(load_size) -> None:
    with pytest.raises(
        GanforgeError, match=r"data\.load_size is what training images of 16 x 12 pixels are enlarged to"
    ):
        Images(SIZE, 3, load_size=load_size)


def test_sides_of_a_pair_need_the_same_crops() -> None:
    for overrides in (["data.given.source.load_size=null"], ["data.given.source.image_size=16"]):
        config = compose(["data=glyphs", "data.load_size=36", *overrides])
        with pytest.raises(GanforgeError, match=r"data\.load_size crops .*data and source have other sizes"):
            instantiate(config.data).splits()
    splits = instantiate(compose(["data=glyphs", "data.load_size=36"]).data).splits()
    assert splits.train.data.values.shape[1:] == (1, 32, 32)
