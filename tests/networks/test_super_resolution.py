"""Networks that enlarge pictures: official counts, scales, any size, and one sentence for what does not fit."""

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.networks import rrdb, srresnet


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(inputs, outputs, side=3, bias=True):
    return inputs * outputs * side**2 + outputs * bias


@pytest.mark.parametrize(
    ("build", "count"),
    [
        # BasicSR 8d56e3a0, counted by running its files.
        (lambda: srresnet.Generator(128), 1_517_571),
        (lambda: srresnet.Discriminator(128), 14_499_401),
        (lambda: rrdb.Generator(128), 16_697_987),
        # Scale 2: one sub-pixel convolution less; scale 3: one of 9 times 64 channels for two of 4 times.
        (lambda: srresnet.Generator(128, scale=2), 1_517_571 - convolution(64, 256)),
        (lambda: srresnet.Generator(129, scale=3), 1_517_571 - 2 * convolution(64, 256) + convolution(64, 576)),
        # 256 pixels: two more convolutions without bias, and their norms.
        (lambda: srresnet.Discriminator(256), 14_499_401 + 512 * 512 * (9 + 16) + 2 * 2 * 512),
        # Scale 2: 12 channels for 3 in the first convolution; a block less: three times its five convolutions.
        (lambda: rrdb.Generator(128, scale=2), 16_697_987 + 9 * 64 * 9),
        (
            lambda: rrdb.Generator(128, blocks=22),
            16_697_987 - 3 * (sum(convolution(64 + 32 * k, 32) for k in range(4)) + convolution(64 + 128, 64)),
        ),
    ],
)
def test_official_count(build, count):
    with torch.device("meta"):
        assert parameters(build()) == count


@pytest.mark.parametrize(("module", "scale"), [(srresnet, 2), (srresnet, 3), (srresnet, 4), (rrdb, 2), (rrdb, 4)])
def test_any_size_is_enlarged(module, scale):
    torch.manual_seed(0)
    generator = module.Generator(48, channels=1, width=4, blocks=1, scale=scale)
    assert generator(None, torch.randn(2, 1, 6, 10)).shape == (2, 1, 6 * scale, 10 * scale)


def test_srresnet_begins_near_the_enlarged_picture_and_adds_to_it():
    torch.manual_seed(0)
    generator, source = srresnet.Generator(32, width=8, blocks=2), torch.rand(1, 3, 8, 8) * 2 - 1
    enlarged = torch.nn.functional.interpolate(source, scale_factor=4, mode="bilinear", align_corners=False)
    assert 0 < (generator(None, source) - enlarged).abs().max() < 0.05
    for parameter in generator.last.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(generator(None, source), enlarged)


def test_rrdb_scales_its_residuals():
    torch.manual_seed(0)
    generator, maps = rrdb.Generator(16, width=4, blocks=1, growth=2), torch.randn(1, 4, 8, 8)
    block = generator.body[0]
    for dense in block.layers:
        torch.nn.init.zeros_(dense.layers[-1].weight)
        torch.nn.init.constant_(dense.layers[-1].bias, 1.0)
    torch.testing.assert_close(block(maps), maps + 0.2 * (maps + 3 * 0.2))


@pytest.mark.parametrize("image_size", [8, 20, 28, [32, 48], 64])
def test_the_discriminator_takes_any_size_from_8_on(image_size):
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    critique = srresnet.Discriminator(image_size, channels=1, width=2)(torch.randn(2, 1, height, width))
    assert critique.logits.shape == (2,)
    assert critique.features.shape[0] == 2


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: srresnet.Generator(64, scale=5), "network=srresnet has no scale 5: .* one of 2, 3, 4"),
        (lambda: rrdb.Generator(64, scale=3), "network=rrdb has no scale 3: .* one of 2, 4"),
        (
            lambda: srresnet.Generator(64, source_size=16, scale=2),
            "makes 32 x 32 pixels of a source of 16 x 16 at scale 2, and data.image_size is 64 x 64: change",
        ),
        (lambda: rrdb.Generator([64, 66], source_size=[16, 16]), "64 x 64 pixels .* is 64 x 66"),
        (lambda: rrdb.Generator(30, source_size=15, scale=2), "data.image_size is 30 x 30: set multiples of 4"),
        (lambda: srresnet.Discriminator(6), "data.image_size is 6 x 6: set a larger"),
        (lambda: srresnet.Generator(64, width=0), "width must be a whole number"),
        (lambda: srresnet.Generator(64, width=2)(None, None), "add conditioning=given"),
    ],
)
def test_refusals_are_one_sentence(build, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        build()
