"""Sampling for evaluation: batch-norm modes, truncation, noise, and nothing changed by it."""

import pytest
import torch
from hydra.utils import instantiate
from narrow import narrow

from ganforge.core.config import compose
from ganforge.metrics.protocol import Sampling
from ganforge.metrics.sources import Generated

CPU = torch.device("cpu")


def source(*overrides):
    torch.manual_seed(0)
    return Generated(instantiate(compose([*overrides, "ema=none"]).model), CPU)


def draw(judged, number=0, **options):
    sampling = Sampling(batch_size=6, weights="raw", **options)
    with judged.session(sampling):
        return judged.batch(number, sampling)


@pytest.fixture(scope="module")
def dcgan():
    judged = source("model=dcgan", "network.width=4")
    with torch.no_grad():  # contrast, and statistics, that a fresh network has not
        for weight in judged.module.generator.parameters():
            weight.mul_(4 if weight.ndim > 1 else 1)
        for _ in range(3):
            judged.module.generator(torch.randn(8, 100) * 2, None)
    return judged


def test_a_batch_is_a_function_of_its_number_and_leaves_everything_as_it_was(dcgan):
    state, weights = torch.get_rng_state(), {k: v.clone() for k, v in dcgan.module.state_dict().items()}
    was_training = dcgan.module.generator.training
    first, again, other = draw(dcgan), draw(dcgan), draw(dcgan, 1)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    for mode in ("batch", "standing"):
        draw(dcgan, batch_norm=mode)
    assert torch.equal(state, torch.get_rng_state())
    assert dcgan.module.generator.training == was_training
    for name, value in dcgan.module.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_batch_norm_modes_are_what_they_are_called(dcgan):
    generator = dcgan.module.generator
    running, batch, standing = (draw(dcgan, batch_norm=mode).images for mode in ("running", "batch", "standing"))
    assert not torch.equal(running, batch)
    assert not torch.equal(running, standing)
    sampling = Sampling(batch_size=6)
    latent, _ = dcgan._draw(6, torch.Generator().manual_seed(0))
    generator.train()
    with torch.no_grad():
        expected = generator(latent, None)
    generator.eval()
    with dcgan.session(Sampling(batch_size=6, batch_norm="batch", weights="raw")), torch.no_grad():
        torch.testing.assert_close(dcgan._images(latent, None, sampling), expected)


def test_truncation_draws_images_together(dcgan):
    spread = [draw(dcgan, truncation=threshold).images.float().std(0).mean() for threshold in (None, 0.5, 0.05)]
    assert spread[0] > spread[1] > spread[2]


def test_style_networks_truncate_styles_and_their_noise_is_seeded():
    judged = source(*narrow("model=stylegan2"))
    for part in judged.module.generator.modules():
        if hasattr(part, "noise_strength"):
            torch.nn.init.ones_(part.noise_strength)
    first, again = draw(judged), draw(judged)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, draw(judged, truncation=0.5).images)


def test_path_pairs_are_near_each_other(dcgan):
    generator = torch.Generator().manual_seed(0)
    sampling = Sampling(weights="raw")
    with dcgan.session(sampling):
        before, after = dcgan.path_pairs(4, 1e-4, generator, sampling)
        apart, _ = dcgan.path_pairs(4, 1e-4, generator, sampling)
    near, far = ((before - others).abs().max() for others in (after, apart))
    assert 0 < near < far / 50


def test_path_pairs_share_their_noise_and_keep_the_protocols_sampling():
    judged = source(*narrow("model=stylegan2"))
    for part in judged.module.generator.modules():
        if hasattr(part, "noise_strength"):
            torch.nn.init.ones_(part.noise_strength)
    raw, cut = Sampling(weights="raw"), Sampling(weights="raw", truncation=0.1)

    def pairs(sampling, epsilon):
        with judged.session(sampling):
            return judged.path_pairs(3, epsilon, torch.Generator().manual_seed(5), sampling)

    state = torch.get_rng_state()
    first, second = pairs(raw, 0.0)
    assert torch.equal(first, second)
    assert torch.equal(first, pairs(raw, 1e-4)[0])
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)  # another rank's stream
    assert torch.equal(first, pairs(raw, 1e-4)[0])
    assert not torch.equal(first, pairs(cut, 0.0)[0])


def test_path_pairs_are_of_the_weights_asked_for():
    torch.manual_seed(0)
    judged = Generated(instantiate(compose(["model=dcgan", "network.width=4", "ema=default"]).model), CPU)
    with torch.no_grad():
        for weight in judged.module.generator.parameters():
            weight.mul_(3)
    drawn = []
    for weights in ("ema", "raw"):
        sampling = Sampling(weights=weights)
        with judged.session(sampling):
            drawn.append(judged.path_pairs(3, 1e-4, torch.Generator().manual_seed(5), sampling)[0])
    assert not torch.equal(*drawn)
