"""What the probe measures, where the answer is known, and that it leaves no trace."""

from functools import partial

import pytest
import torch
from torch import nn

from ganforge.data.columns import Column, Split, Splits
from ganforge.data.modality import Images
from ganforge.health.probe import Probe, ranking, spread
from ganforge.latents import Normal
from ganforge.losses.adversarial import Minimax, NonSaturating, Wasserstein
from ganforge.models.gan import GAN
from ganforge.networks.critique import Critique


class Painter(nn.Module):
    """Images of one grey level each, a linear function of the latent."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.norm = nn.BatchNorm1d(4)

    def forward(self, latent, condition=None):
        return (self.norm(latent)[:, :1] * self.scale)[:, :, None, None].expand(-1, 1, 4, 4)


class Judge(nn.Module):
    """Mean brightness, with a dropout that passes everything and statistics that move when looked at."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.noise = nn.Dropout(0.0)
        self.norm = nn.BatchNorm2d(1, affine=False)

    def forward(self, images, condition=None):
        self.norm(images)
        return Critique(self.noise(images.mean((1, 2, 3))) * self.weight)


def game(loss, scale=1.0, **options):
    module = GAN(
        generator=Painter(scale),
        discriminator=Judge(),
        loss=loss,
        latent=Normal(4),
        optimizers={player: partial(torch.optim.SGD, lr=0.1) for player in ("generator", "discriminator")},
        total_kimg=1,
        **options,
    )
    return module.train()


def splits(bright=0, dark=0):
    """Training images of a brightness, and held-out ones, with a little noise."""
    noise = torch.Generator().manual_seed(0)

    def draw(level, n):
        images = (torch.rand(n, 1, 4, 4, generator=noise) * 20 + level).to(torch.uint8)
        return Split(Column(images, Images(4, 1)))

    return Splits(draw(bright, 60), draw(dark, 20))


def test_spread_is_the_mean_distance_of_pairs_and_of_nearest_ones():
    images = torch.tensor([0.0, 1.0, 3.0])[:, None, None, None].expand(3, 1, 2, 2)  # distances 2, 4, 6
    assert spread(Images(2, 1).embed(images)) == pytest.approx((4.0, (2 + 2 + 4) / 3))
    assert spread(Images(8, 3).embed(torch.ones(5, 3, 8, 8))) == (0.0, 0.0)


def test_noise_within_a_patch_is_no_variety():
    noise = torch.randn(20, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    fine = spread(Images(16, 1).embed(torch.randn(20, 1, 16, 16)))
    assert spread(Images(256, 1).embed(noise))[0] < fine[0] / 10


def test_ranking_is_the_share_of_pairs_with_ties_halved():
    assert ranking(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0])) == 3.5 / 4
    assert ranking(torch.tensor([1.0]), torch.tensor([1.0])) == 0.5


def test_logits_are_those_of_the_discriminator():
    """Brightness is the logit: training images at 220/127.5 - 1, held-out ones at 20/127.5 - 1, samples about 0."""
    values = Probe(splits(210, 10), images=32)(game(NonSaturating()), 8)
    assert values["real_logits"] == pytest.approx(220 / 127.5 - 1, abs=0.05)
    assert values["heldout_logits"] == pytest.approx(20 / 127.5 - 1, abs=0.05)
    gap = values["real_logits"] - values["heldout_logits"]
    assert values["overfitting"] == pytest.approx(gap / (values["real_logits"] - values["fake_logits"]))
    assert values["overfitting_sigmas"] > 20
    assert values["sign"] == 1.0
    assert values["ranking"] > values["heldout_ranking"]


def test_the_same_distribution_is_no_overfitting():
    values = Probe(splits(210, 210), images=32)(game(NonSaturating()), 8)
    assert abs(values["overfitting"]) < 0.05
    assert abs(values["overfitting_sigmas"]) < 4


@pytest.mark.parametrize(
    ("loss", "slope"),
    [
        (Wasserstein(), 1.0),
        (NonSaturating(), torch.sigmoid(torch.tensor(8.0))),
        (Minimax(), torch.sigmoid(torch.tensor(-8.0))),
    ],
)
def test_signal_is_the_slope_of_the_generators_loss(loss, slope):
    """All logits of samples at -8."""
    module = game(loss, scale=0.0)
    judge = module.discriminator
    judge.forward = lambda images, condition=None: Critique(images.mean((1, 2, 3)) * judge.weight - 8)
    assert Probe(splits(), images=32)(module, 8)["signal"] == pytest.approx(float(slope), rel=1e-5)


def test_gradients_are_those_of_the_adversarial_losses():
    """D(x) = w mean(x), so that the critic's gradient is E[D(fake)] - E[D(real)] at w = 1."""
    values = Probe(splits(210, 210), images=8)(game(Wasserstein()), 8)
    assert values["discriminator_gradient"] == pytest.approx(
        values["real_logits"], abs=0.05
    )  # batch norm: fake mean is 0
    size = sum(parameter.numel() for parameter in Painter().parameters())
    assert values["generator_step"] == pytest.approx(values["generator_gradient"] / size**0.5)
    assert values["gradient_ratio"] == pytest.approx(values["generator_gradient"] / values["discriminator_gradient"])


def test_diversity_grows_with_the_samples_distance():
    near, far = (Probe(splits(), images=32)(game(NonSaturating(), scale), 8) for scale in (0.1, 0.2))
    assert far["diversity"] == pytest.approx(2 * near["diversity"], rel=1e-4)
    assert far["nearest"] == pytest.approx(2 * near["nearest"], rel=1e-4)
    still = Probe(splits(), images=32)(game(NonSaturating(), 0.0), 8)
    assert still["diversity"] == still["nearest"] == 0.0


def test_a_look_leaves_no_trace_and_repeats():
    module = game(NonSaturating())
    before = {name: value.clone() for name, value in [*module.named_parameters(), *module.named_buffers()]}
    state = torch.get_rng_state()
    probe = Probe(splits(), images=32)
    first = probe(module, 8)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in module.parameters())
    assert module.training
    assert module.discriminator.training
    torch.rand(100)  # another random state gives the same measures
    assert probe(module, 8) == first == Probe(splits(), images=32)(module, 8)


def test_coverage_is_the_share_of_real_images_with_a_sample_near():
    class Brightness(nn.Module):
        def forward(self, images):
            from ganforge.metrics.extractors import Features

            return Features(images.float().mean((1, 2, 3))[:, None], images.new_zeros(len(images), 0))

    images = torch.arange(0, 60, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).clone()
    dark = Splits(*[Split(Column(images, Images(4, 1)))] * 2)
    probe = Probe(dark, images=32)
    everywhere = probe(game(NonSaturating(), 1.0), 8, Brightness())
    nowhere = probe(game(NonSaturating(), 0.0), 8, Brightness())  # all samples grey, far from the dark
    assert nowhere["coverage"] == 0.0
    assert everywhere["coverage"] > 0.2
