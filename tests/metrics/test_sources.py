"""Sampling for evaluation: batch-norm modes, truncation, noise, and nothing changed by it."""

import pytest
import torch
from hydra.utils import instantiate
from narrow import narrow

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.metrics.protocol import Sampling
from ganforge.metrics.sources import Generated


def source(*overrides):
    torch.manual_seed(0)
    config = compose(overrides)
    module = instantiate(config.model)
    module.bind(instantiate(config.data))
    return Generated(module.samplers()["generator"])


def draw(judged, number=0, **options):
    sampling = Sampling(batch_size=6, weights="raw", **options)
    with judged.session(sampling):
        return judged.batch(number, sampling)


@pytest.fixture(scope="module")
def dcgan():
    judged = source("model=dcgan", "network.width=4", "ema=none")
    with torch.no_grad():  # contrast, and statistics, that a fresh network has not
        for weight in judged.sampler.network.parameters():
            weight.mul_(4 if weight.ndim > 1 else 1)
        for _ in range(3):
            judged.sampler.network(torch.randn(8, 100) * 2, None)
    return judged


def test_a_batch_is_a_function_of_its_number_and_leaves_everything_as_it_was(dcgan):
    state, weights = torch.get_rng_state(), {k: v.clone() for k, v in dcgan.sampler.network.state_dict().items()}
    was_training = dcgan.sampler.network.training
    first, again, other = draw(dcgan), draw(dcgan), draw(dcgan, 1)
    assert torch.equal(first.samples, again.samples)
    assert not torch.equal(first.samples, other.samples)
    for mode in ("batch", "standing"):
        draw(dcgan, batch_norm=mode)
    assert torch.equal(state, torch.get_rng_state())
    assert dcgan.sampler.network.training == was_training
    for name, value in dcgan.sampler.network.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_batch_norm_modes_are_what_they_are_called(dcgan):
    generator = dcgan.sampler.network
    running, batch, standing = (draw(dcgan, batch_norm=mode).samples for mode in ("running", "batch", "standing"))
    assert not torch.equal(running, batch)
    assert not torch.equal(running, standing)
    inputs = dcgan.sampler.inputs(6, torch.Generator().manual_seed(0))
    generator.train()
    with torch.no_grad():
        expected = generator(*inputs)
    generator.eval()
    with dcgan.session(Sampling(batch_size=6, batch_norm="batch", weights="raw")), torch.no_grad():
        torch.testing.assert_close(dcgan.sampler.generate(inputs), expected)


def test_truncation_draws_images_together(dcgan):
    spread = [draw(dcgan, truncation=threshold).samples.float().std(0).mean() for threshold in (None, 0.5, 0.05)]
    assert spread[0] > spread[1] > spread[2]


def test_style_networks_truncate_styles_and_their_noise_is_seeded():
    judged = source(*narrow("model=stylegan2"), "ema=none")
    for part in judged.sampler.network.modules():
        if hasattr(part, "noise_strength"):
            torch.nn.init.ones_(part.noise_strength)
    first, again = draw(judged), draw(judged)
    assert torch.equal(first.samples, again.samples)
    assert not torch.equal(first.samples, draw(judged, truncation=0.5).samples)


def test_path_pairs_are_near_each_other(dcgan):
    generator = torch.Generator().manual_seed(0)
    sampling = Sampling(weights="raw")
    with dcgan.session(sampling):
        before, after = dcgan.path_pairs(4, 1e-4, generator, sampling)
        apart, _ = dcgan.path_pairs(4, 1e-4, generator, sampling)
    near, far = ((before - others).abs().max() for others in (after, apart))
    assert 0 < near < far / 50


def test_path_pairs_share_their_noise_and_keep_the_protocols_sampling():
    judged = source(*narrow("model=stylegan2"), "ema=none")
    for part in judged.sampler.network.modules():
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


def test_path_pairs_of_styles_are_straight_and_begin_at_the_first_end(monkeypatch):
    judged = source(*narrow("model=stylegan2"), "ema=none")
    sampling, network = Sampling(weights="raw"), judged.sampler.network
    drawn = []
    monkeypatch.setattr(type(network), "synthesise", lambda self, styles, noise: drawn.append(styles) or styles)
    with judged.session(sampling):
        for step in (0.25, 0.5, 1.0):
            judged.path_pairs(3, step, torch.Generator().manual_seed(5), sampling, space="w", at="end")
    begin, quarter, again, half, _, end = drawn
    assert torch.equal(begin, again)
    torch.testing.assert_close(quarter, begin + 0.25 * (end - begin))
    torch.testing.assert_close(half, begin + 0.5 * (end - begin))
    assert not torch.equal(begin, end)


def test_path_pairs_of_styles_need_styles(dcgan):
    sampling = Sampling(weights="raw")
    with dcgan.session(sampling), pytest.raises(GanforgeError, match=r"space=w .* choose space=z"):
        dcgan.path_pairs(3, 0.1, torch.Generator(), sampling, space="w")


def test_path_pairs_are_of_the_weights_asked_for():
    torch.manual_seed(0)
    judged = source("model=dcgan", "network.width=4", "ema=default")
    with torch.no_grad():
        for weight in judged.sampler.network.parameters():
            weight.mul_(3)
    drawn = []
    for weights in ("ema", "raw"):
        sampling = Sampling(weights=weights)
        with judged.session(sampling):
            drawn.append(judged.path_pairs(3, 1e-4, torch.Generator().manual_seed(5), sampling)[0])
    assert not torch.equal(*drawn)
