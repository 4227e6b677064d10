"""Sliced Wasserstein distances of features and of pyramids."""

import numpy as np
import pytest
import torch
from comparisons import compare, images, normal
from scipy.ndimage import convolve

from ganforge.core.errors import GanforgeError
from ganforge.metrics.sliced import PyramidWasserstein, SlicedWasserstein, laplacian_pyramid


def test_nought_for_identical_sets_in_any_order():
    rows = normal(100)
    assert SlicedWasserstein()(compare(rows, rows))["swd_features"] == 0
    assert SlicedWasserstein()(compare(rows.flip(0), rows))["swd_features"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_a_shift_has_a_closed_form(order):
    """Projections of a shift by s on directions uniform on the circle: the mean of |s cos|^p."""
    rows = normal(50, 2)
    found = SlicedWasserstein(projections=20_000, order=order)(compare(rows + torch.tensor([3.0, 4.0]), rows))
    expected = {1: 5 * 2 / torch.pi, 2: 5 / 2**0.5}[order]
    assert found["swd_features"] == pytest.approx(expected, rel=0.02)


def test_sets_of_different_sizes():
    near = SlicedWasserstein()(compare(normal(700, seed=1), normal(900)))["swd_features"]
    far = SlicedWasserstein()(compare(normal(700, seed=1, scale=2), normal(900)))["swd_features"]
    assert 0 < near < 0.2 < far


def expected_pyramid(image, sizes):
    """Return levels of one channel by SciPy: halve, spread with noughts, filter times 4, subtract."""
    line = np.array([1, 4, 6, 4, 1]) / 16
    kernel = np.outer(line, line)
    for _ in sizes[1:]:
        halved = convolve(image, kernel, mode="mirror")[::2, ::2]
        spread = np.zeros_like(image)
        spread[::2, ::2] = halved
        yield image - convolve(spread, 4 * kernel, mode="mirror")
        image = halved
    yield image


@pytest.mark.parametrize("sizes", [[64, 32, 16], [40, 20], [28]])
def test_levels_are_burt_and_adelson_s(sizes):
    picture = images(1, sizes[0]).float()
    levels = list(laplacian_pyramid(picture))
    for level, expected in zip(levels, expected_pyramid(picture[0, 1].double().numpy(), sizes), strict=True):
        np.testing.assert_allclose(level[0, 1].numpy(), expected, atol=1e-3)
    flat = torch.full((1, 1, sizes[0], sizes[0]), 7.0)
    for level in list(laplacian_pyramid(flat))[:-1]:
        assert level.abs().max() < 1e-4  # a flat image has no detail at all


def test_pyramid_s_distance_is_nought_for_identical_images_and_sees_lost_detail():
    real = images(60, 64)
    metric = PyramidWasserstein(patches=16, projections=64)
    same = metric(compare(fake_images=real, real_images=real))
    assert list(same) == ["swd_64", "swd_32", "swd_16", "swd"]
    assert set(same.values()) == {0}
    coarse = torch.nn.functional.interpolate(real[..., ::8, ::8], scale_factor=8)
    blocky = metric(compare(fake_images=coarse, real_images=real))
    assert blocky["swd_64"] > 2 * metric(compare(fake_images=images(60, 64, seed=1), real_images=real))["swd_64"]
    assert blocky["swd"] == pytest.approx(sum(list(blocky.values())[:3]) / 3)


def test_brightness_of_a_channel_does_not_matter():
    real = images(60)
    darker = (real.float() * torch.tensor([0.5, 0.8, 1.0])[:, None, None]).round().to(torch.uint8)
    metric = PyramidWasserstein(patches=16, projections=64)
    assert metric(compare(fake_images=darker, real_images=real))["swd_32"] < 15
    assert metric(compare(fake_images=255 - real, real_images=real))["swd_32"] > 30


def test_images_smaller_than_a_patch():
    tiny = images(4, 6)
    with pytest.raises(GanforgeError, match="7 pixels"):
        PyramidWasserstein()(compare(fake_images=tiny, real_images=tiny))
