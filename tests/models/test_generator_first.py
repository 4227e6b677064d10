"""The generator steps first; its discriminator judges several scales; StarGAN's steps."""

from functools import partial

import pytest
import torch
from torch import nn

from ganforge.conditioning import Given, Label
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Batch
from ganforge.latents import Normal
from ganforge.losses.adversarial import Hinge, NonSaturating, RelativisticPaired
from ganforge.losses.translation import CycleConsistency
from ganforge.models.game import Game
from ganforge.models.generator_first import GeneratorFirst
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.stargan import StarGAN
from ganforge.networks import cyclegan, patch, stargan
from ganforge.networks.critique import Critique

BATCH = Batch(torch.rand(4, 3, 16, 16) * 2 - 1, {"source": torch.rand(4, 3, 16, 16) * 2 - 1})
TRAINING = {"optimizers": partial(torch.optim.Adam, lr=0.01), "total_kimg": 1, "log_every": 1}


class Watched(nn.Module):
    """A network that keeps what it is given and returns."""

    def __init__(self, network):
        super().__init__()
        self.network, self.seen = network, []

    def forward(self, *inputs):
        output = self.network(*inputs)
        self.seen.append((*inputs, output))
        return output


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("redraw", [False, True])
def test_the_discriminator_sees_samples_from_before_or_after_the_generators_step(redraw, accumulate):
    torch.manual_seed(0)
    discriminator = Watched(patch.Discriminator(16, 3, 3, width=2, layers=1))
    module = GeneratorFirst(
        generator=cyclegan.Generator(16, width=2, blocks=1),
        discriminator=discriminator,
        latent=None,
        conditioning=Given("source"),
        loss=NonSaturating(),
        redraw=redraw,
        accumulate=accumulate,
        **TRAINING,
    )
    loop = ManualLoop(module)
    before = module.generator(None, BATCH.given["source"])
    loop.step(BATCH)
    after = module.generator(None, BATCH.given["source"])
    shown = [images for images, _, _ in discriminator.seen]
    fakes = torch.cat(
        [
            images
            for images in shown[accumulate:]
            if not any(torch.equal(images, part) for part in BATCH.data.split(4 // accumulate))
        ]
    )
    torch.testing.assert_close(torch.cat(shown[:accumulate]), before)
    torch.testing.assert_close(fakes, after if redraw else before)
    assert not torch.allclose(before, after)


class Scales(nn.Module):
    """A discriminator of three and of one patch."""

    def forward(self, images, condition=None):
        return Critique(images, patches=(3, 1))


@pytest.mark.parametrize("loss", [Hinge(), RelativisticPaired()])
def test_a_games_loss_is_the_mean_of_its_scales(loss):
    torch.manual_seed(0)
    game, real, fake = Game(discriminator=Scales(), loss=loss), torch.randn(5, 4), torch.randn(5, 4)

    def step(player):
        nothing = dict.fromkeys(("latent", "condition", "fake_condition"))
        return game.step(player, generator=lambda *_: fake, real=real, images_seen=0, **nothing)

    parts = (slice(0, 3), slice(3, 4))
    discriminator = sum(loss.discriminator(real[:, part], fake[:, part]) for part in parts) / 2
    generator = sum(loss.generator(fake[:, part], real[:, part]) for part in parts) / 2
    torch.testing.assert_close(game.discriminator_losses(step("discriminator")).total(), discriminator)
    torch.testing.assert_close(game.generator_losses(step("generator")).total(), generator)


def star(**options):
    torch.manual_seed(0)
    return StarGAN(
        **{
            "generator": stargan.Generator(16, classes=3, width=2, blocks=1),
            "discriminator": stargan.Discriminator(16, classes=3, width=2),
            "loss": NonSaturating(),
            "latent": None,
            "conditioning": Label(3),
            "terms": {"cycle": CycleConsistency(weight=10.0)},
            **TRAINING,
            **options,
        }
    )


def test_stargan_translates_real_pictures_into_one_anothers_classes():
    module, batch = star(), Batch(BATCH.data, {"label": torch.tensor([0, 1, 2, 2])})
    step = module.play("generator", batch)
    assert step.condition.tolist() == [0, 1, 2, 2]
    assert sorted(step.fake_condition.tolist()) == [0, 1, 2, 2]
    assert torch.equal(step.latent, batch.data)
    torch.testing.assert_close(step.fake, module.generator(batch.data, step.fake_condition))
    back = module.generator(step.fake, batch.label)
    expected = (back - batch.data).abs().mean()
    torch.testing.assert_close(module.terms["cycle"](step), expected)
    assert not module.play("discriminator", batch).fake.requires_grad


def test_stargan_refuses_a_latent():
    with pytest.raises(GanforgeError, match="latent=none"):
        star(latent=Normal(4))
    with pytest.raises(GanforgeError, match="conditioning=label"):
        star(conditioning=None)
