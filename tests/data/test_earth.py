"""Tiles of the Earth: no pixel in both splits, layers on one another, and what each tile is."""

import functools
from typing import Any

import numpy as np
import pytest
import torch

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data import earth
from ganforge.data.columns import LABEL, SOURCE
from ganforge.data.earth import HEIGHT, REGIONS, WIDTH, ZONES, Earth
from ganforge.data.modality import Images

READ_ONCE = functools.cache(earth.read_layer)


@pytest.fixture(autouse=True)
def _read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earth, "read_layer", READ_ONCE)


def covered(corners: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Which pixels of the whole map are in any of the tiles."""
    seen = np.zeros((HEIGHT, WIDTH), bool)
    for top, left in corners.tolist():
        assert 0 <= top <= HEIGHT - size[0]
        assert 0 <= left <= WIDTH - size[1]  # no tile is cut, or goes on at the other side of the map
        seen[top : top + size[0], left : left + size[1]] = True
    return seen


@pytest.mark.parametrize(("size", "stride"), [((64, 64), None), ((32, 32), 64), ((48, 96), 50)])
def test_no_pixel_is_in_both_splits(size: tuple[int, int], stride: int | None) -> None:
    source = Earth(stride=stride)
    train, heldout = (source.corners(part, size) for part in REGIONS)
    assert not (covered(train, size) & covered(heldout, size)).any()
    assert min(len(train), len(heldout)) > 100
    held = covered(heldout, size)
    assert held.sum() == len(heldout) * size[0] * size[1]  # held-out tiles do not overlap each other


def test_tiles_are_the_maps_pixels_and_layers_lie_on_one_another() -> None:
    size = (40, 56)
    source = Earth("elevation", "land")
    splits = source.load(Images(size, 3))
    elevation, land = (earth.read_layer(name) for name in ("elevation", "land"))
    for part, split in (("train", splits.train), ("heldout", splits.heldout)):
        corners = source.corners(part, size)
        assert len(corners) == len(split)
        for row in (0, len(split) // 2, len(split) - 1):
            top, left = corners[row].tolist()
            window = np.s_[top : top + size[0], left : left + size[1]]
            assert np.array_equal(split.data[torch.tensor([row])][0].permute(1, 2, 0).numpy(), elevation[window])
            assert np.array_equal(split.given[SOURCE][torch.tensor([row])][0].permute(1, 2, 0).numpy(), land[window])


def test_layers_agree_on_where_land_is() -> None:
    """Shifted by a few pixels they agree less: they are aligned."""
    land = earth.read_layer("land")[..., 0] == 0
    for name in ("satellite", "relief", "elevation"):
        picture = earth.read_layer(name).astype(np.int16)
        blue = picture[..., 2] - picture[..., 0]
        rows = np.s_[600:2000:3, 20:-20:3]
        agreement = {
            shift: np.corrcoef(np.roll(land, shift, (0, 1))[rows].ravel(), blue[rows].ravel())[0, 1]
            for shift in ((0, 0), (4, 0), (-4, 0), (0, 4), (0, -4))
        }
        assert max(agreement, key=lambda shift: agreement[shift]) == (0, 0), (name, agreement)


def test_every_choice_of_layers_has_the_same_tiles() -> None:
    one, two = Earth("satellite").load(Images(64, 3)), Earth("relief", "satellite").load(Images(64, 3))
    assert one.train.data.fingerprint == two.train.given[SOURCE].fingerprint
    assert one.heldout.data.fingerprint == two.heldout.given[SOURCE].fingerprint


def test_zones_are_those_of_the_latitude() -> None:
    source, size = Earth(), (64, 64)
    train = source.load(Images(size, 3)).train
    latitude = 90 - (source.corners("train", size)[:, 0] + 32) * 180 / HEIGHT
    label = train.given[LABEL].read()
    assert set(label.tolist()) == {*range(len(ZONES))}
    assert latitude[label == 0].abs().max() < 23.44 < latitude[label == 1].abs().min()
    assert latitude[label == 1].abs().max() < 66.56 < latitude[label == 2].abs().min()


def test_texture_leaves_out_flat_tiles() -> None:
    size = (64, 64)
    all_, some = (Earth(texture=texture).load(Images(size, 1)).heldout for texture in (0.0, 0.05))
    luma = all_.data.read().float()
    luma = (luma * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1) / 255
    expected = int((luma.flatten(1).std(1, correction=0) >= 0.05).sum())
    assert abs(len(some) - expected) <= 1  # Pillow's luma is of whole numbers
    assert len(all_) == (HEIGHT // 64) * ((WIDTH - 4100) // 64)


@pytest.mark.parametrize(
    ("size", "settings", "said"),
    [
        (2000, {}, "at most 2700 x 1300"),
        (64, {"texture": 0.9}, "texture of 0.9"),
    ],
)
def test_refusals(size: int, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(GanforgeError, match=said):
        Earth(**settings).load(Images(size, 3))


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    READ_ONCE.cache_clear()
    monkeypatch.setattr(earth, "find_spec", lambda name: None)
    with pytest.raises(GanforgeError, match=r"is not installed: .*pip install .*\[earth\]"):
        Earth().load(Images(64, 3))


def test_wrong_channels_are_named_by_their_own_key() -> None:
    from hydra.utils import instantiate

    with pytest.raises(GanforgeError, match=r"data\.given\.source\.channels=2 and the dataset's images have 3"):
        instantiate(compose(["data=earth_pairs", "data.given.source.channels=2"]).data).splits()
    with pytest.raises(GanforgeError, match=r"^data\.channels=4 and the dataset's images have 3"):
        instantiate(compose(["data=earth_pairs", "data.channels=4"]).data).splits()
