"""ADA's pipe against closed forms."""

import math

import pytest
import torch

from ganforge.augment import ada as ada_module
from ganforge.augment.ada import Ada, preset_strengths
from ganforge.augment.wavelets import BANDS, equalise, warp
from ganforge.core.errors import GanforgeError

PRESETS = ["blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def images():
    return torch.rand(64, 3, 32, 32) * 2 - 1


def only(name, **arguments):
    return Ada(None, strengths={name: 1}, p=1.0, **arguments)


def closest(result, candidates):
    """The index of the candidate that equals each image, by largest difference, and that difference."""
    distance, index = (result - torch.stack(candidates)).abs().flatten(2).amax(dim=2).min(dim=0)
    return index, distance.max().item()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_p_zero_is_the_identity(images, preset, channels):
    images = images[:, :channels]
    torch.testing.assert_close(Ada(preset, p=0.0)(images), images, rtol=0, atol=1e-6)


def test_presets_take_the_groups_together():
    counts = dict(zip(PRESETS, (3, 4, 5, 1, 1, 1, 7, 12, 13, 14, 15), strict=True))
    assert {name: sum(preset_strengths(name).values()) for name in PRESETS} == counts
    assert Ada("bgc", strengths={"hue": 0.5}).strengths == preset_strengths("bgc") | {"hue": 0.5}


def test_x_flip_flips_half_of_the_images(images):
    index, difference = closest(only("x_flip")(images), [images, images.flip(3)])
    assert difference == 0
    assert set(index.tolist()) == {0, 1}


def test_rotate90_turns_pixels_exactly(images):
    index, difference = closest(only("rotate90")(images), [images.rot90(k, (2, 3)) for k in range(4)])
    assert difference == 0
    assert set(index.tolist()) == {0, 1, 2, 3}


def test_integer_translation_moves_pixels_and_reflects_the_border(images):
    def moved(x, y):
        rows, columns = reflected(torch.arange(32) - y), reflected(torch.arange(32) - x)
        return images[:, :, rows][:, :, :, columns]

    shifts = [(x, y) for x in range(-4, 5) for y in range(-4, 5)]
    index, difference = closest(only("integer_translation")(images), [moved(*shift) for shift in shifts])
    assert difference < 1e-4
    assert len(set(index.tolist())) > 8


def reflected(index):
    index = index.abs()
    return torch.where(index > 31, 62 - index, index)


def test_warp_turns_smooth_images_in_the_documented_direction():
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    image = torch.stack([torch.cos(3 * x + y), x * y, torch.sin(2 * y)]).unsqueeze(0)
    matrix = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])  # output x shows input -y, output y shows input x
    torch.testing.assert_close(warp(image, matrix, torch.zeros(1, 2)), image.rot90(-1, (2, 3)), rtol=0, atol=0.02)


def test_warp_scales_about_the_centre():
    disk = (torch.linspace(-1, 1, 64)[:, None].square() + torch.linspace(-1, 1, 64).square() < 0.3).float()
    larger = warp(disk[None, None], torch.eye(2)[None] / 1.5, torch.zeros(1, 2))
    assert (larger.sum() / disk.sum()).item() == pytest.approx(1.5**2, rel=0.02)
    torch.testing.assert_close(larger, larger.flip(2), rtol=0, atol=0.15)


def test_warp_and_its_gradients_of_two_orders_agree_with_finite_differences():
    images = torch.rand(2, 1, 6, 5, dtype=torch.double, requires_grad=True)
    matrix = torch.randn(2, 2, 2, dtype=torch.double)
    offset = torch.randn(2, 2, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: warp(x, matrix, offset) ** 2, images)
    assert torch.autograd.gradgradcheck(lambda x: warp(x, matrix, offset) ** 2, images)


@pytest.mark.parametrize("name", ["scale", "rotation", "anisotropy", "fractional_translation"])
def test_geometry_keeps_constant_images_and_moves_others(images, name):
    constant = torch.full((64, 3, 32, 32), 0.5)
    torch.testing.assert_close(only(name)(constant), constant, rtol=0, atol=1e-2)  # the filter's phases differ a bit
    assert (only(name)(images) - images).abs().amax(dim=(1, 2, 3)).min() > 1e-3


def test_rotation_happens_before_or_after_with_probability_p():
    images = torch.rand(2000, 1, 8, 8)
    augment = Ada(None, strengths={"rotation": 1}, p=0.4)
    share = ((augment(images) - images).abs().amax(dim=(1, 2, 3)) > 0).float().mean().item()
    assert share == pytest.approx(0.4, abs=0.05)


def luma_and_chroma(images):
    luma = images.mean(dim=1, keepdim=True)
    return luma, images - luma


def test_brightness_and_contrast_are_shared_by_all_pixels(images):
    shift = only("brightness")(images) - images
    assert shift.flatten(1).std(dim=1).max() < 1e-6
    ratio = only("contrast")(images) / images
    torch.testing.assert_close(ratio, ratio[:, :1, :1, :1].expand_as(ratio), rtol=1e-3, atol=0)
    assert (ratio > 0).all()


def test_luma_flip_negates_luma_and_keeps_chroma(images):
    luma, chroma = luma_and_chroma(images)
    index, difference = closest(only("luma_flip")(images), [images, chroma - luma])
    assert difference < 1e-6
    assert set(index.tolist()) == {0, 1}


def test_hue_keeps_luma_and_saturation_and_turns_chroma(images):
    luma, chroma = luma_and_chroma(images)
    new_luma, new_chroma = luma_and_chroma(only("hue")(images))
    torch.testing.assert_close(new_luma, luma, rtol=0, atol=1e-6)
    torch.testing.assert_close(new_chroma.norm(dim=1), chroma.norm(dim=1), rtol=1e-5, atol=1e-6)
    cosine = (chroma * new_chroma).sum(dim=1) / chroma.square().sum(dim=1)
    torch.testing.assert_close(cosine, cosine[:, :1, :1].expand_as(cosine), rtol=0, atol=1e-3)
    assert cosine.min() < 0


def test_a_third_of_a_turn_of_hue_permutes_the_channels(images, monkeypatch):
    monkeypatch.setattr(ada_module, "uniform", lambda images, *shape: torch.full((len(images), *shape), 2 / 3))
    torch.testing.assert_close(only("hue")(images), images.roll(1, dims=1), rtol=0, atol=1e-6)


def test_saturation_scales_chroma_alone(images):
    luma, chroma = luma_and_chroma(images)
    new_luma, new_chroma = luma_and_chroma(only("saturation")(images))
    torch.testing.assert_close(new_luma, luma, rtol=0, atol=1e-6)
    ratio = new_chroma.norm(dim=1) / chroma.norm(dim=1)
    torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-3, atol=0)


def test_grey_images_know_neither_hue_nor_saturation(images):
    grey = images[:, :1]
    for name in ("hue", "saturation"):
        torch.testing.assert_close(only(name)(grey), grey, rtol=0, atol=0)
    index, difference = closest(only("luma_flip")(grey), [grey, -grey])
    assert difference == 0
    assert set(index.tolist()) == {0, 1}


def test_log_normal_strengths_have_their_deviation():
    white = torch.ones(4000, 1, 2, 2)
    log2 = only("contrast")(white)[:, 0, 0, 0].log2()
    assert log2.std().item() == pytest.approx(0.5, rel=0.05)
    assert log2.mean().item() == pytest.approx(0, abs=0.03)
    shift = only("brightness", ranges={"brightness": 0.4})(white)[:, 0, 0, 0]
    assert shift.std().item() == pytest.approx(0.4, rel=0.05)


def test_bands_split_frequencies(images):
    torch.testing.assert_close(equalise(images, torch.ones(64, BANDS)), images, rtol=0, atol=1e-6)
    constant, checker = torch.ones(1, 1, 32, 32), (-1.0) ** torch.arange(32) * torch.ones(1, 1, 32, 1)
    lowest, highest = torch.eye(BANDS)[:1], torch.eye(BANDS)[-1:]
    torch.testing.assert_close(equalise(constant, lowest), constant, rtol=0, atol=1e-5)
    torch.testing.assert_close(equalise(constant, highest), 0 * constant, rtol=0, atol=1e-5)
    torch.testing.assert_close(equalise(checker, 1 - highest)[..., 0, :], 0 * checker[..., 0, :], rtol=0, atol=1e-5)


def test_filter_keeps_expected_power_and_runs_on_small_images(monkeypatch):
    gains = []
    monkeypatch.setattr(ada_module, "equalise", lambda images, values: gains.append(values) or images)
    only("filter", filter_bands=[1, 0, 0, 0])(torch.rand(64, 3, 8, 8))
    power = torch.tensor([10.0, 1, 1, 1]) / 13
    torch.testing.assert_close((gains[0].square() * power).sum(dim=1), torch.ones(64))
    monkeypatch.undo()
    assert only("filter")(torch.rand(4, 3, 8, 8)).isfinite().all()


def test_noise_has_a_half_normal_deviation():
    noise = only("noise")(torch.zeros(2000, 1, 16, 16)).flatten(1).std(dim=1)
    assert noise.mean().item() == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.06)
    assert noise.square().mean().item() == pytest.approx(0.01, rel=0.12)


def test_cutout_zeroes_a_clipped_box():
    hole = only("cutout")(torch.ones(4000, 1, 32, 32)) == 0
    rows, columns = hole.any(dim=3).sum(dim=2), hole.any(dim=2).sum(dim=2)
    assert (hole.flatten(1).sum(dim=1) == (rows * columns)[:, 0]).all()
    assert rows.max() <= 16
    assert rows.min() >= 8
    # Centre uniform, half the size: the expected covered share of an axis is 1/2 - 2 (1/4)^2 / 2 = 7/16.
    assert (rows / 32).mean().item() == pytest.approx(7 / 16, abs=0.01)


def test_each_strength_multiplies_p():
    augment = Ada(None, strengths={"brightness": 0.5}, p=0.5)
    touched = augment(torch.zeros(4000, 1, 2, 2)).flatten(1).abs().sum(dim=1) > 0
    assert touched.float().mean().item() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"preset": "bcg"}, "bcg"),
        ({"strengths": {"hues": 1}}, "hues"),
        ({"strengths": {"hue": 2}}, "strengths"),
        ({"ranges": {"noise": -1}}, "ranges.noise"),
        ({"filter_bands": [1, 1]}, "filter_bands"),
    ],
)
def test_impossible_arguments_are_refused(arguments, named):
    with pytest.raises(GanforgeError, match=named):
        Ada(**arguments)


def test_other_channel_counts_are_refused():
    with pytest.raises(GanforgeError, match="2 channels"):
        Ada()(torch.rand(2, 2, 8, 8))
