"""Every network option builds at the image sizes that it takes, and refuses the others in one sentence."""

from functools import cache
from itertools import product

import pytest
import torch
from hydra.utils import instantiate
from narrow import narrow, options
from omegaconf import OmegaConf

from ganforge.complaints import find_cause
from ganforge.config import compose
from ganforge.networks import began, infomax, resnet

SIZES = (8, 16, 20, 28, 32, 48, 64, 128, 256)
POWERS, RESIDUAL = {8, 16, 32, 64, 128, 256}, {32, 48, 64, 128}
#: The sizes that an option takes, by the module of its networks: a new module has to be told here.
TAKES = {
    "autoencoder": POWERS,
    "began": POWERS - {8},
    "biggan": {32, 64, 128, 256},
    "biggan_deep": {32, 64, 128, 256},
    "concat": POWERS,
    "dcgan": POWERS,
    "deep_conv": {32, 64},
    "infomax": RESIDUAL,
    "mlp": set(SIZES),
    "progressive": POWERS,
    "r3gan": {32, 64, 256},
    "resnet": RESIDUAL,
    "sagan": RESIDUAL,
    "sndcgan": {32, 48},
    "stylegan2": POWERS,
}
IMAGES = [name for name in options("network") if name != "mlp_points"]


@cache
def composed(name):
    latent = "coded" if name == "dcgan_codes" else "normal"
    config = compose(narrow(f"network={name}", f"latent={latent}", "data.classes=4"))
    return OmegaConf.to_container(config.network), config.latent.dim


def shaped(node, **values):
    """Return ``node`` with ``values`` in the place of what its keys of those names hold, at any depth."""
    if not isinstance(node, dict):
        return node
    return {key: values.get(key, shaped(value, **values)) for key, value in node.items()}


def built(name, image_size, channels):
    network, latent_dim = composed(name)
    network = shaped(network, image_size=image_size, channels=channels)
    return instantiate(network["generator"]), instantiate(network["discriminator"]), latent_dim


def told(name, image_size, channels):
    """Return what the option says to an image size: its sentence, or ``None`` where both networks build."""
    try:
        with torch.device("meta"):
            built(name, image_size, channels)
    except Exception as error:
        return str(find_cause(error) or repr(error))
    return None


@pytest.fixture
def _as_allocated(monkeypatch):
    """Leave weights as they are: orthogonal matrices and power iterations take seconds on the meta device, too."""
    names = ("xavier", "orthogonal", "normal")
    monkeypatch.setattr("ganforge.networks.layers.spectral_norm", lambda layer: layer)
    monkeypatch.setattr("ganforge.networks.layers._INITIALIZERS", dict.fromkeys(names, lambda weight, gain: weight))


@pytest.mark.usefixtures("_as_allocated")
@pytest.mark.parametrize("name", IMAGES)
def test_option_takes_its_sizes_and_refuses_the_others(name):
    takes = TAKES[composed(name)[0]["generator"]["_target_"].split(".")[-2]]
    for image_size, channels in product(SIZES, (1, 3)):
        sentence = told(name, image_size, channels)
        if image_size in takes:
            assert sentence is None, (image_size, sentence)
        else:
            assert sentence is not None, image_size
            assert "image_size" in sentence
            assert str(image_size) in sentence
            assert sentence.endswith(".")
            assert ". " not in sentence


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", IMAGES)
def test_networks_fit_together_at_the_smallest_size(name, channels):
    image_size = min(TAKES[composed(name)[0]["generator"]["_target_"].split(".")[-2]])
    generator, discriminator, latent_dim = built(name, image_size, channels)
    labels = torch.zeros(4, dtype=torch.long)
    images = generator(torch.randn(4, latent_dim), labels)
    assert images.shape == (4, channels, image_size, image_size)
    assert discriminator(images, labels).logits.shape == (4,)


def test_infomax_gan_has_mimicrys_parameters_and_embeds_every_place():
    """Counted by running mimicry a7fda06c: 4,276,739 and 1,615,233."""
    discriminator = infomax.Discriminator(32)
    assert sum(p.numel() for p in infomax.Generator(32).parameters()) == 4_276_739
    assert sum(p.numel() for p in discriminator.parameters()) == 1_615_233
    critique = infomax.Discriminator(32, width=4, dim=6)(torch.randn(2, 3, 32, 32))
    assert critique.embedding.shape == (2, 6)
    assert critique.local_embeddings.shape == (2, 6, 64)


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
