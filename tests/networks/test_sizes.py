"""Every network option builds at the image sizes that it takes, and refuses the others in one sentence."""

import re
from itertools import product

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from discovery import options
from ganforge.core.config import config_folder, register_resolvers
from ganforge.core.messages import find_cause
from ganforge.latents import Normal
from ganforge.networks import began, infomax, resnet
from ganforge.networks.functional import as_function
from ganforge.testing import check_networks

SIZES = (8, 16, 20, 28, 32, 48, 64, 128, 256)
POWERS, EIGHTHS, RESIDUAL = {8, 16, 32, 64, 128, 256}, {16, 32, 48, 64, 128, 256}, {32, 48, 64, 128}
PATCHES = {28, 32, 48, 64, 128, 256}
#: The sizes that an option takes, by its name or the module of its networks: a new module has to be listed here.
TAKES = {
    "adain": set(SIZES) - {8},
    "autoencoder": POWERS,
    "began": POWERS - {8},
    "biggan": {32, 64, 128, 256},
    "biggan_deep": {32, 64, 128, 256},
    "concat": POWERS,
    "cut": PATCHES,
    "cyclegan": PATCHES,
    "pix2pixhd": PATCHES - {28},
    "spade": set(SIZES),
    "stargan": {8, 16, 32, 48, 64, 128, 256},
    "dcgan": POWERS,
    "df_gan": POWERS,
    "gan_int_cls": POWERS,
    "deep_conv": EIGHTHS,
    "infomax": RESIDUAL,
    "mlp": set(SIZES),
    "pix2pix": PATCHES,
    "progressive": POWERS,
    "r3gan": POWERS,
    "resnet": RESIDUAL,
    "rrdb": set(SIZES),
    "sagan": RESIDUAL,
    "sndcgan": EIGHTHS,
    "srresnet": set(SIZES),
    "stylegan2": POWERS,
}
IMAGES = [name for name in options("network") if name != "mlp_points"]


#: Widths that make a network small, for the option's own keys.
SMALL = {
    "width": 8,
    "channel_base": 256,
    "channel_max": 8,
    "widths": [8] * 4,
    "cardinalities": [2] * 4,
    "blocks": [1] * 4,
}
#: Which BigGAN cuts in four to seven parts.
LATENT_DIM = 420
#: Options whose condition is a source picture.
TRANSLATIONS = {"adain", "cut", "cyclegan", "pix2pix", "pix2pixhd", "rrdb", "spade", "srresnet"}
#: Options whose condition is a text, or the embedding of one.
TEXTS = {"df_gan", "gan_int_cls"}
#: Options that read weights from a file of the user's when they are called.
FROM_FILES = {"adain_vgg"}


class Pictures(Normal):
    """Pictures as a latent."""

    def __init__(self, shape):
        super().__init__(1)
        self.shape = shape

    def __call__(self, n, *, generator, device):
        return torch.rand(n, *self.shape)


def read(name, image_size=32, channels=3):
    """Return an option's file as the configuration would resolve it, without composing the rest."""
    register_resolvers()
    network = OmegaConf.load(config_folder() / "network" / f"{name}.yaml")
    data = {"image_size": image_size, "channels": channels, "classes": 4}
    latent = {"dim": LATENT_DIM, "categories": 10, "continuous": 2}
    budget = {"srresnet": {"blocks": 1}, "rrdb": {"blocks": 1, "growth": 4}}
    text = {"_target_": "ganforge.networks.text.Recurrent", "vocabulary": ["red"], "dim": 8, "width": 4}
    nodes = {"data": data, "latent": latent, "budget": budget, "text_encoder": text, "network": network}
    return OmegaConf.create(nodes)


def built(config):
    return instantiate(config.network.generator), instantiate(config.network.discriminator)


def takes(name):
    return TAKES.get(name) or TAKES[read(name).network.generator._target_.split(".")[-2]]


def refusal(name, image_size, channels):
    """Return what the option says to an image size: its sentence, or ``None`` where both networks build."""
    try:
        with torch.device("meta"):
            built(read(name, image_size, channels))
    except Exception as error:
        return str(find_cause(error) or repr(error))
    return None


@pytest.mark.usefixtures("unnormalised")
@pytest.mark.parametrize("name", IMAGES)
def test_option_takes_its_sizes_and_refuses_the_others(name):
    sizes = takes(name)
    for image_size, channels in product(SIZES, (1, 3)):
        sentence = refusal(name, image_size, channels)
        if image_size in sizes:
            assert sentence is None, (image_size, sentence)
        else:
            assert sentence is not None, image_size
            assert "image_size" in sentence
            assert str(image_size) in sentence
            assert sentence.endswith(".")
            assert ". " not in sentence


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted({*IMAGES} - FROM_FILES))
def test_networks_fit_together(name, channels):
    config = read(name, channels=channels)
    config.network.update({key: value for key, value in SMALL.items() if key in config.network})
    generator, discriminator = built(config)
    shape = (channels, 32, 32)
    side = 32 // config.network.get("scale", 1)
    condition = {"source": (channels, side, side)} if name in TRANSLATIONS else {"classes": 4}
    if name in TEXTS:
        condition = {"source": (config.text_encoder.dim,)}
    latent = Pictures(shape) if name in ("stargan", "adain") else Normal(LATENT_DIM)
    check_networks(generator, discriminator, shape=shape, latent=latent, **condition)


@pytest.mark.parametrize("name", ["stylegan2", "progressive"])
def test_too_narrow_for_its_side_is_refused(name):
    config = read(name, image_size=128)
    config.network.channel_base = 60
    with pytest.raises(Exception, match="channel_base") as raised:
        instantiate(config.network.generator)
    assert "128 pixels" in str(find_cause(raised.value))


def test_infomax_gan_has_mimicrys_parameters_and_embeds_every_place():
    """Counted by running mimicry a7fda06c: 4,276,739 and 1,615,233."""
    discriminator = infomax.Discriminator(32)
    assert sum(p.numel() for p in infomax.Generator(32).parameters()) == 4_276_739
    assert sum(p.numel() for p in discriminator.parameters()) == 1_615_233
    critique = infomax.Discriminator(32, width=4, dim=6)(torch.randn(2, 3, 32, 32))
    assert critique.require("embedding").shape == (2, 6)
    assert critique.require("local_embeddings").shape == (2, 6, 64)


def test_infomax_projects_what_is_read_and_once():
    discriminator = infomax.Discriminator(32, width=4, dim=6)
    calls = []
    discriminator.embed_image.register_forward_hook(lambda *_: calls.append("image"))
    critique = discriminator(torch.randn(2, 3, 32, 32))
    assert calls == []
    assert torch.equal(critique.require("embedding"), critique.require("embedding"))
    assert calls == ["image"]


def test_as_a_function_infomax_projects_with_the_given_weights():
    discriminator, images = infomax.Discriminator(32, width=4, dim=6).eval(), torch.randn(2, 3, 32, 32)
    zeros = {name: torch.zeros_like(bias) for name, bias in discriminator.named_parameters() if "embed" in name}
    zeros = {name: value for name, value in zeros.items() if name.endswith("bias")}
    other = as_function(discriminator, zeros)(images).require("embedding")
    assert not torch.allclose(other, discriminator(images).require("embedding"))
    discriminator.load_state_dict(zeros, strict=False)
    torch.testing.assert_close(other, discriminator(images).require("embedding"))


def test_infomax_judges_as_sngan_does():
    torch.manual_seed(0)
    images, discriminator = torch.randn(2, 3, 32, 32), infomax.Discriminator(32, width=4, dim=6).eval()
    plain = resnet.Discriminator(32, width=4).eval()
    plain.load_state_dict({k: v for k, v in discriminator.state_dict().items() if not k.startswith("embed")})
    torch.testing.assert_close(discriminator(images).logits, plain(images).logits)


def test_began_judges_by_its_absolute_error():
    torch.manual_seed(0)
    images, discriminator = torch.rand(3, 1, 16, 16), began.Discriminator(16, 1, width=4, code=5)
    critique = discriminator(images)
    assert critique.features.shape == (3, 5)
    errors = torch.nn.functional.l1_loss(discriminator.decoder(critique.features), images, reduction="none")
    torch.testing.assert_close(-critique.logits, errors.mean((1, 2, 3)))


#: Modules of networks that draw rectangles too.
RECTANGULAR = {"adain", "mlp", "sndcgan", "deep_conv", "pix2pix", "cyclegan", "cut", "rrdb", "spade", "srresnet"}


@pytest.mark.usefixtures("unnormalised")
@pytest.mark.parametrize("name", IMAGES)
def test_rectangles_are_drawn_or_refused(name):
    module = read(name).network.generator._target_.split(".")[-2]
    sentence = refusal(name, [32, 48], 3)
    if module in RECTANGULAR:
        assert sentence is None
        return
    assert re.fullmatch(
        r"network=\w+ takes square images, and data\.image_size is 32 x 48: set one number of pixels, or choose "
        r"network=mlp or network=sndcgan, which take rectangles\.",
        sentence,
    )
    assert sentence.split()[0].removeprefix("network=") in options("network")


@pytest.mark.usefixtures("unnormalised")
@pytest.mark.parametrize("name", IMAGES)
def test_two_equal_sides_are_a_square(name):
    with torch.device("meta"):
        square, sides = built(read(name)), built(read(name, [32, 32]))
    for one, other in zip(square, sides, strict=True):
        shapes = [{key: value.shape for key, value in network.state_dict().items()} for network in (one, other)]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["mlp", "sndcgan", "deep_conv"])
def test_rectangular_networks_fit_together(name):
    config = read(name, image_size=[16, 24], channels=2)
    config.network.width = 8
    generator, discriminator = built(config)
    check_networks(generator, discriminator, shape=(2, 16, 24), latent=Normal(LATENT_DIM))
