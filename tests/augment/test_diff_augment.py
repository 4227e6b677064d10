"""DiffAugment's distributions, and instance noise's schedule."""

import pytest
import torch

from ganforge.augment.diff_augment import DiffAugment
from ganforge.augment.noise import InstanceNoise
from ganforge.core.errors import GanforgeError


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_brightness_is_uniform_of_width_one():
    shift = DiffAugment(["color"])(torch.zeros(4000, 1, 4, 4))
    assert shift.flatten(1).std(dim=1).max() < 1e-6
    level = shift[:, 0, 0, 0]
    assert level.abs().max() <= 0.5
    assert level.std().item() == pytest.approx(12**-0.5, rel=0.05)
    assert level.mean().item() == pytest.approx(0, abs=0.02)


def test_contrast_and_saturation_scale_about_their_means():
    grey = torch.randn(4000, 1, 4, 4)
    contrast = (DiffAugment(["color"])(grey).flatten(1).std(dim=1) / grey.flatten(1).std(dim=1)).sort().values
    torch.testing.assert_close(contrast, torch.linspace(0.5, 1.5, 4000), rtol=0, atol=0.04)

    images = torch.randn(4000, 3, 4, 4)
    chroma = images - images.mean(dim=1, keepdim=True)
    seen = DiffAugment(["color"])(images)
    new_chroma = seen - seen.mean(dim=1, keepdim=True)
    ratio = new_chroma.flatten(1).norm(dim=1) / chroma.flatten(1).norm(dim=1)
    assert ratio.mean().item() == pytest.approx(1, abs=0.05)
    assert ratio.square().mean().item() == pytest.approx(4 / 3 * 13 / 12, rel=0.06)


def test_translation_is_uniform_to_an_eighth_and_moves_zeros_in():
    image = torch.rand(1, 2, 16, 24) + 0.5
    seen = DiffAugment(["translation"])(image.expand(3000, -1, -1, -1))
    padded = torch.nn.functional.pad(image, (3, 3, 2, 2))
    windows = padded.unfold(2, 16, 1).unfold(3, 24, 1)  # (1, 2, 5, 7, 16, 24)
    matches = [(seen == windows[:, :, y, x]).flatten(1).all(dim=1).sum().item() for y in range(5) for x in range(7)]
    assert sum(matches) == 3000
    assert min(matches) > 3000 / 35 * 0.5
    assert max(matches) < 3000 / 35 * 1.5


@pytest.mark.parametrize(("size", "reach"), [(28, 4), (27, 3), (20, 3), (32, 4), (12, 2)])
def test_translation_reaches_the_eighth_rounded_as_in_the_official_code(size, reach):
    seen = DiffAugment(["translation"])(torch.ones(2000, 1, size, size))
    kept = (seen[:, 0] > 0).any(dim=1).sum(dim=1)
    assert kept.min() == size - reach
    assert kept.max() == size


@pytest.mark.parametrize("size", [32, 14, 15])
def test_cutout_zeroes_half_of_each_axis_clipped(size):
    hole = DiffAugment(["cutout"])(torch.ones(4000, 1, size, size)) == 0
    rows, columns = hole.any(dim=3).sum(dim=2)[:, 0], hole.any(dim=2).sum(dim=2)[:, 0]
    assert (hole.flatten(1).sum(dim=1) == rows * columns).all()
    box = {32: 16, 14: 7, 15: 8}[size]
    centres = range(size + 1 - box % 2)
    extents = [min(size, centre - box // 2 + box) - max(0, centre - box // 2) for centre in centres]
    for extent in (rows, columns):
        assert extent.max() == box
        assert extent.min() == min(extents)
        assert extent.float().mean().item() == pytest.approx(sum(extents) / len(extents), rel=0.02)


def test_the_policy_is_applied_in_its_order_and_checked():
    assert (DiffAugment([])(torch.ones(1, 3, 8, 8)) == 1).all()
    white = torch.ones(64, 1, 8, 8)
    assert (DiffAugment(["color", "cutout"])(white) == 0).flatten(1).any(dim=1).all()
    assert (DiffAugment(["cutout", "color"])(white) != 0).all()
    for policy in ("color", ["colour"]):
        with pytest.raises(GanforgeError, match="policy"):
            DiffAugment(policy)


@pytest.mark.parametrize(("images", "sigma"), [(0, 0.4), (500, 0.2), (750, 0.1), (1000, 0.0), (2000, 0.0)])
def test_instance_noise_fades_linearly(images, sigma):
    noise = InstanceNoise(sigma=0.4, kimg=1)
    noise.observe(torch.zeros(1), images)
    seen = noise(torch.full((64, 3, 32, 32), 0.5)) - 0.5
    assert seen.square().mean().item() == pytest.approx(sigma**2, rel=0.02)
    assert noise.scalars()["noise_sigma"].item() == pytest.approx(sigma, abs=1e-6)


def test_instance_noise_stays_without_a_duration():
    noise = InstanceNoise(sigma=0.4)
    noise.observe(torch.zeros(1), 10**9)
    assert noise.sigma.item() == pytest.approx(0.4)
    for arguments, named in (({"sigma": -1}, "sigma"), ({"kimg": 0}, "kimg")):
        with pytest.raises(GanforgeError, match=named):
            InstanceNoise(**arguments)
