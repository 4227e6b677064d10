"""Similarity and distance of pairs, and path lengths."""

from functools import partial

import numpy as np
import pytest
import torch
from comparisons import compare, images
from scipy.signal import convolve2d
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from ganforge.core.errors import GanforgeError
from ganforge.data.images import normalise
from ganforge.metrics import diversity, path_length, perceptual
from ganforge.metrics.diversity import LpipsDiversity, MultiScaleSimilarity, draw_pairs
from ganforge.metrics.path_length import PerceptualPathLength, trimmed_mean


def squared(first, second):
    """Stand in for LPIPS: it is a mean of squared differences of features as well."""
    return (first - second).square().mean((1, 2, 3))


@pytest.fixture
def stand_in(monkeypatch):
    for module in (diversity, path_length):
        monkeypatch.setattr(module, "load_lpips", lambda network, device: squared)


def test_pairs_are_of_different_images_and_within_a_class():
    labels = torch.tensor([0, 1, 2] * 5)
    pairs = draw_pairs(15, 200, labels, torch.Generator().manual_seed(0))
    assert pairs.shape == (600, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert torch.equal(labels[pairs[:, 0]], labels[pairs[:, 1]])
    assert labels[pairs[:, 0]].bincount().tolist() == [200] * 3
    free = draw_pairs(3, 500, None, torch.Generator().manual_seed(0))
    assert len({tuple(pair) for pair in free.tolist()}) == 6
    with pytest.raises(GanforgeError, match="at least 2 images"):
        draw_pairs(3, 9, torch.tensor([0, 0, 1]), torch.Generator())


def test_padded_similarity_is_torchmetrics():
    pair = images(2, 176)
    first, second = pair.float().div(255).chunk(2)
    expected = multiscale_structural_similarity_index_measure(first, second, data_range=1.0).item()
    padded = MultiScaleSimilarity(pairs=3, border="padded")
    found = padded(compare(fake_images=pair, real_images=pair[[0, 0]]))
    assert found == {"ms_ssim": pytest.approx(expected, abs=1e-5), "ms_ssim_real": pytest.approx(1, abs=1e-6)}


def windows(values, window):
    """Means of ``(h, w, c)`` over each place of a window inside."""
    return np.stack([convolve2d(values[..., c], window, "valid") for c in range(values.shape[-1])], -1)


def reference_similarity(first, second, weights=diversity.WEIGHTS):
    """MS-SSIM of ``(h, w, c)`` arrays in [0, 255], window by window with scipy, as Wang et al. 2003 have it."""
    value = 1.0
    for scale, weight in enumerate(weights):
        size = min(11, *first.shape[:2])
        place = np.arange(size) - (size - 1) / 2
        gauss = np.exp(-(np.add.outer(place**2, place**2)) / (2 * (1.5 * size / 11) ** 2))
        mean = partial(windows, window=gauss / gauss.sum())
        mu, nu = mean(first), mean(second)
        variances = mean(first**2) - mu**2 + mean(second**2) - nu**2
        structure = (2 * (mean(first * second) - mu * nu) + 7.65**2) / (variances + 7.65**2)
        luminance = (2 * mu * nu + 2.55**2) / (mu**2 + nu**2 + 2.55**2)
        last = scale == len(weights) - 1
        value *= max(np.mean(luminance * structure if last else structure), 0) ** weight
        if not last:
            first, second = (sum(x[i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4 for x in (first, second))
    return value


@pytest.mark.parametrize("size", [32, 64, 176])
def test_similarity_is_the_reference_one(size):
    pair = images(2, size)
    found = MultiScaleSimilarity(pairs=1)(compare(fake_images=pair, real_images=pair[[0, 0]]))
    arrays = [image.permute(1, 2, 0).double().numpy() for image in pair]
    assert found["ms_ssim"] == pytest.approx(reference_similarity(*arrays), abs=1e-5)
    assert found["ms_ssim_real"] == pytest.approx(1, abs=1e-6)


def test_similarity_of_flat_images_has_a_closed_form():
    """Flat images differ in luminance alone, which only the coarsest scale counts."""
    grey = torch.tensor([51, 204], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 32, 32)
    found = MultiScaleSimilarity(pairs=1)(compare(fake_images=grey, real_images=grey))["ms_ssim"]
    assert found == pytest.approx(((2 * 0.2 * 0.8 + 1e-4) / (0.2**2 + 0.8**2 + 1e-4)) ** 0.1333, rel=1e-4)


def test_collapse_within_a_class_is_seen_within_classes():
    two = images(2, 32)
    fake, labels = two.repeat_interleave(8, 0), torch.tensor([0, 1]).repeat_interleave(8)
    fields = {"fake_images": fake, "real_images": images(16), "fake_labels": labels, "real_labels": labels}
    within = MultiScaleSimilarity(40, "class", scales=2)
    assert within.needs == {"fake_images", "real_images", "fake_labels", "real_labels"}
    found = within(compare(fake=torch.zeros(16, 2), **fields))
    assert found["ms_ssim"] == pytest.approx(1, abs=1e-6)
    assert found["ms_ssim_real"] < 0.8
    across = MultiScaleSimilarity(40, scales=2)
    assert across.needs == {"fake_images", "real_images"}
    assert across(compare(**fields))["ms_ssim"] < 0.9


@pytest.mark.parametrize(
    ("size", "border", "way"),
    [
        (32, "padded", "scales=2"),
        (64, "padded", "scales=3"),
        (8, "padded", "take the metric out"),
        (8, "valid", "scales=4"),
    ],
)
def test_images_too_small_for_the_scales(size, border, way):
    small = images(3, size)
    with pytest.raises(GanforgeError, match=way):
        MultiScaleSimilarity(border=border)(compare(fake_images=small, real_images=small))
    if way.startswith("scales"):
        fitting = MultiScaleSimilarity(2, scales=int(way[-1]), border=border)
        assert fitting(compare(fake_images=small, real_images=small))["ms_ssim"] <= 1


@pytest.mark.usefixtures("stand_in")
def test_diversity_is_the_mean_over_pairs():
    pair = images(2)
    first, second = normalise(pair).chunk(2)
    found = LpipsDiversity(pairs=5)(compare(fake_images=pair))["lpips_diversity"]
    assert found == pytest.approx(squared(first, second).item(), rel=1e-6)
    assert LpipsDiversity(5)(compare(fake_images=pair[[0, 0, 0]]))["lpips_diversity"] == 0


@pytest.mark.usefixtures("stand_in")
def test_path_length_of_a_linear_generator_has_a_closed_form():
    """Images that move by ``speed * epsilon`` in every pixel are at mean squared distance ``(speed * epsilon)^2``."""
    speeds = []

    def path_pairs(count, epsilon, generator, **_):
        speed = torch.rand(count, 1, 1, 1, generator=generator, dtype=torch.float64) + 1
        speeds.append(speed.flatten())
        base = torch.zeros(count, 1, 8, 8, dtype=torch.float64)
        return base, base + speed * epsilon

    metric = PerceptualPathLength(samples=230, batch_size=100)
    found = metric(compare(path_pairs=path_pairs))["ppl"]
    assert [len(part) for part in speeds] == [100, 100, 30]
    lengths = torch.cat(speeds).square()
    assert found == pytest.approx(trimmed_mean(lengths, 0.01), rel=1e-9)
    assert metric(compare(path_pairs=path_pairs))["ppl"] == found


def test_trimming_is_style_gan_s():
    values = torch.rand(997, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 4
    low = np.percentile(values.numpy(), 1, method="lower")
    high = np.percentile(values.numpy(), 99, method="higher")
    assert trimmed_mean(values, 0.01) == pytest.approx(values[(values >= low) & (values <= high)].mean().item())
    assert trimmed_mean(torch.tensor([1.0, 2.0, 600.0]), 0) == 201


@pytest.mark.usefixtures("stand_in")
def test_large_images_are_averaged_to_256_pixels_for_path_length():
    noise = torch.randn(2, 1, 512, 512, generator=torch.Generator().manual_seed(0))
    found = PerceptualPathLength(2, epsilon=1.0, discard=0)(
        compare(path_pairs=lambda count, epsilon, generator, **_: (0 * noise, noise))
    )
    assert found["ppl"] == pytest.approx(1 / 4, rel=0.05)  # four pixels' mean has a quarter of their variance


@pytest.mark.usefixtures("stand_in")
def test_paths_are_where_the_options_say():
    asked = []

    def path_pairs(count, epsilon, generator, **where):
        asked.append(where)
        return torch.zeros(count, 1, 16, 16), torch.zeros(count, 1, 16, 16)

    PerceptualPathLength(2)(compare(path_pairs=path_pairs))
    PerceptualPathLength(2, space="w", at="end")(compare(path_pairs=path_pairs))
    assert asked == [{"space": "z", "at": "full"}, {"space": "w", "at": "end"}]
    with pytest.raises(GanforgeError, match="space must be z or w"):
        PerceptualPathLength(space="x")


@pytest.mark.usefixtures("stand_in")
def test_the_crop_of_faces_is_style_gan_s():
    """Of 512 pixels rows 192 to 448 and columns 128 to 384, then halved, as the whole image would be."""
    moved = torch.zeros(1, 1, 512, 512)
    moved[..., 192:448, 128:384] = 2.0

    def pairs(*_, **__):
        return 0 * moved, moved

    assert PerceptualPathLength(1, 1.0, 0, crop=True)(compare(path_pairs=pairs))["ppl"] == pytest.approx(4)
    assert PerceptualPathLength(1, 1.0, 0)(compare(path_pairs=pairs))["ppl"] == pytest.approx(1)
    with pytest.raises(GanforgeError, match="crop=true is for square images"):
        PerceptualPathLength(1, crop=True)(compare(path_pairs=lambda *_, **__: (torch.zeros(1, 1, 8, 16),) * 2))


def test_path_length_of_a_diverged_generator_and_without_latents(stand_in):
    with pytest.raises(GanforgeError, match="diverged"):
        PerceptualPathLength(2)(compare(path_pairs=lambda *_, **__: (torch.full((2, 3, 8, 8), float("nan")),) * 2))
    with pytest.raises(GanforgeError, match="latents"):
        PerceptualPathLength(2)(compare())


@pytest.mark.parametrize("metric", [LpipsDiversity(network="alex"), PerceptualPathLength(network="alex")])
def test_missing_and_damaged_weights_are_reported_in_one_sentence(metric, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    comparison = compare(fake_images=images(4), path_pairs=lambda *_: None)
    folder = tmp_path / "hub" / "checkpoints"
    with pytest.raises(GanforgeError, match=rf"alexnet-owt-\w+\.pth in '{folder}': fetch them from https"):
        metric(comparison)
    folder.mkdir(parents=True)
    perceptual.backbone_weights("alex")[0].write_bytes(b"half a file")
    with pytest.raises(GanforgeError, match="hash is not the one in its name"):
        metric(comparison)


def test_weights_on_disk_give_torchmetrics_lpips(tmp_path, monkeypatch):
    """The published backbone cannot be had here; random weights of its layout take the same way in."""
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    from torchvision.models import squeezenet1_1

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path, _ = perceptual.backbone_weights("squeeze")
    path.parent.mkdir(parents=True)
    torch.save(squeezenet1_1().state_dict(), path)
    monkeypatch.setattr(perceptual, "sha256", lambda path: path.stem.rpartition("-")[2])
    distance = perceptual.load_lpips("squeeze", torch.device("cpu"))
    grey = normalise(images(4, 64, channels=1))
    found = distance(grey[:2], grey[2:])
    colour = grey.expand(-1, 3, -1, -1)
    expected = LearnedPerceptualImagePatchSimilarity("squeeze", reduction="none")(colour[:2], colour[2:])
    torch.testing.assert_close(found, expected)
    assert found.shape == (2,)
    assert (found > 0).all()
    assert (distance(grey, grey) == 0).all()
