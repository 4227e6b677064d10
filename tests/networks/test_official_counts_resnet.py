"""The residual and convolutional families: official counts, shapes, gradients, bfloat16, refusals."""

import copy
from collections.abc import Callable
from functools import partial
from types import ModuleType

import pytest
import torch
from torch import nn

from ganforge.core.build import build
from ganforge.core.checks import check_nodes
from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.networks import biggan, biggan_deep, deep_conv, resnet, sagan, sndcgan
from ganforge.networks.heads import ClassHead, Contrastive
from ganforge.networks.layers import ConditionalBatchNorm, Layers, SelfAttention
from ganforge.networks.residual import DiscriminatorBlock
from ganforge.networks.spectral import Spectral, spectral_norm

# mimicry a7fda06c, BigGAN-PyTorch 98459431, StudioGAN 947b35e9: counted by running the official code;
# mimicry's at 128 pixels and with 100 or 1000 classes by arithmetic on its listing.
OFFICIAL = [
    (partial(resnet.Generator), 4_276_739),
    (partial(resnet.Discriminator), 1_053_825),
    (partial(resnet.Discriminator, normalization=None, pooling="mean"), 1_053_825),
    (partial(resnet.Generator, 48), 4_878_083),
    (partial(resnet.Discriminator, 48), 10_141_441),
    (partial(resnet.Generator, 64), 12_220_675),
    (partial(resnet.Discriminator, 64), 10_141_441),
    (partial(resnet.Generator, classes=10), 4_304_387),
    (partial(resnet.Discriminator, classes=10), 1_055_105),
    (partial(resnet.Discriminator, classes=4, head=ClassHead), 1_054_341),
    (partial(resnet.Generator, 128), 32_150_787),
    (partial(resnet.Discriminator, 128), 29_017_857),
    (partial(resnet.Generator, 128, classes=1000), 41_996_931),
    (partial(resnet.Discriminator, 128, width=8, classes=1000), 582_497),
    (partial(resnet.Discriminator, classes=100), 1_066_625),
    (partial(sagan.Generator, 128, classes=1000), 42_078_852),
    (partial(sagan.Discriminator, 128, width=8, classes=1000), 582_818),
    (partial(sagan.Generator, classes=10), 4_386_308),
    (partial(sagan.Discriminator, classes=10), 1_075_586),
    (partial(biggan.Generator, classes=10), 4_304_387),
    (partial(biggan.Discriminator, classes=10), 4_207_361),
    (partial(biggan.Generator, 128, 3, 120, 96, 1000, 128, [64]), 70_433_988),
    (partial(biggan.Discriminator, 128, 3, 96, 1000, [64]), 87_982_370),
    (partial(biggan.Generator, 32, 3, 80, 96, 10, 128, [16]), 9_416_196),
    (partial(biggan.Discriminator, 32, 3, 48, 10, [16]), 2_415_170),
    (partial(biggan.Discriminator, 32, 3, 48, 10, [16], head=Contrastive), 2_517_186),
    (partial(deep_conv.Generator), 3_812_355),
    (partial(deep_conv.Discriminator), 2_931_009),
]


SIZES = [
    (resnet, 32),
    (resnet, 48),
    (resnet, 64),
    (resnet, 128),
    (sagan, 32),
    (sagan, 48),
    (sagan, 64),
    (sagan, 128),
    (biggan, 32),
    (biggan, 64),
    (biggan, 128),
    (biggan, 256),
    (biggan_deep, 32),
    (biggan_deep, 64),
    (biggan_deep, 128),
    (biggan_deep, 256),
    (sndcgan, 32),
    (sndcgan, 48),
    (deep_conv, 32),
    (deep_conv, 64),
]
FAMILIES = [resnet, sagan, biggan, biggan_deep, sndcgan, deep_conv]


def family(value: object) -> str | None:
    return value.__name__.rpartition(".")[2] if isinstance(value, ModuleType) else None


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.usefixtures("uninitialized")
@pytest.mark.parametrize(("build", "count"), OFFICIAL, ids=str)
def test_official_count(build: Callable[[], nn.Module], count: int) -> None:
    assert parameters(build()) == count


@pytest.mark.usefixtures("uninitialized")
@pytest.mark.parametrize(("image_size", "millions"), [(128, 50.4), (256, 55.9)])
def test_biggan_deep_is_as_large_as_deepminds(image_size: int, millions: float) -> None:
    # github.com/huggingface/pytorch-pretrained-BigGAN's rounded figures for DeepMind's generators.
    generator = biggan_deep.Generator(image_size, classes=1000, attention=[64])
    assert parameters(generator) / 1e6 == pytest.approx(millions, rel=0.005)


@pytest.mark.parametrize(("module", "image_size"), SIZES, ids=family)
def test_shapes_at_every_size(module: ModuleType, image_size: int) -> None:
    generator = module.Generator(image_size, 1, 12, width=2)
    discriminator = module.Discriminator(image_size, 1, width=2)
    images = generator(torch.randn(2, 12))
    critique = discriminator(images)
    assert images.shape == (2, 1, image_size, image_size)
    assert images.abs().max() <= 1
    assert critique.logits.shape == (2,)
    assert critique.features is not None


@pytest.mark.parametrize("classes", [None, 3])
@pytest.mark.parametrize("module", FAMILIES, ids=family)
def test_gradients_are_finite_and_reach_every_parameter(module: ModuleType, classes: int | None) -> None:
    generator = module.Generator(32, 3, 12, width=4, classes=classes)
    discriminator = module.Discriminator(32, 3, width=4, classes=classes)
    labels = None if classes is None else torch.tensor([0, 1, 2, 2])
    images = generator(torch.randn(4, 12), labels)
    assert images.shape == (4, 3, 32, 32)
    logits = discriminator(images, labels).logits
    (penalty,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    (logits.sum() + penalty.square().sum()).backward()
    for name, parameter in [*generator.named_parameters(), *discriminator.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("module", FAMILIES, ids=family)
def test_bfloat16_autocast_is_finite(module: ModuleType) -> None:
    generator = module.Generator(32, 3, 12, width=8, classes=3)
    discriminator = module.Discriminator(32, 3, width=8, classes=3)
    labels = torch.tensor([0, 2])
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(torch.randn(2, 12), labels)
        logits = discriminator(images, labels).logits
    assert images.isfinite().all()
    assert logits.isfinite().all()


@pytest.mark.parametrize("module", FAMILIES, ids=family)
def test_labels_change_images_and_logits(module: ModuleType) -> None:
    generator = module.Generator(32, 3, 12, width=4, classes=2).eval()
    discriminator = module.Discriminator(32, 3, width=4, classes=2).eval()
    latent, zeros, ones = (
        torch.randn(2, 12),
        torch.zeros(2, dtype=torch.long),
        torch.ones(2, dtype=torch.long),
    )
    images = generator(latent, zeros)
    assert not torch.equal(images, generator(latent, ones))
    assert not torch.equal(discriminator(images, zeros).logits, discriminator(images, ones).logits)


@pytest.mark.parametrize("shared_dim", [None, 5])
@pytest.mark.parametrize("classes", [None, 2])
def test_biggan_conditions(classes: int | None, shared_dim: int | None) -> None:
    generator = biggan.Generator(32, 3, 8, width=2, classes=classes, shared_dim=shared_dim, attention=[8, 16])
    labels = None if classes is None else torch.tensor([0, 1])
    assert generator(torch.randn(2, 8), labels).shape == (2, 3, 32, 32)


def test_studiogan_64_by_multipliers() -> None:
    for module in (biggan, biggan_deep):
        assert module.Generator(64, 3, 10, width=2, multipliers=[16, 8, 4, 2, 1])(torch.randn(2, 10)).shape[-1] == 64


def test_heads_fill_their_fields() -> None:
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([0, 2])
    classified = resnet.Discriminator(width=4, classes=3, head=ClassHead)(images)
    assert classified.class_logits is not None
    assert classified.class_logits.shape == (2, 3)
    contrasted = biggan.Discriminator(width=4, classes=3, head=partial(Contrastive, dim=7))(images, labels)
    assert contrasted.embedding is not None
    assert contrasted.proxy is not None
    assert contrasted.embedding.shape == contrasted.proxy.shape == (2, 7)


def test_spectral_norm_is_one_and_survives_copies_and_autocast() -> None:
    layer = Spectral(warm_up=15)(nn.Linear(9, 5)).eval()
    weight = layer.weight
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=0.02)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.weight, weight)
    assert torch.equal(copy.deepcopy(layer).weight, weight)
    other = spectral_norm(nn.Linear(9, 5)).eval()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.weight, weight)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(3, 5, 4), nn.Linear(7, 4), nn.Embedding(6, 3)], ids=repr
)
def test_spectral_norm_iterates_as_torchs_first_one_which_the_official_codes_use(layer: nn.Module) -> None:
    official = torch.nn.utils.spectral_norm(copy.deepcopy(layer))
    ours = spectral_norm(layer)
    norm = ours.parametrizations.weight[0]
    norm.u.copy_(official.weight_u)
    inputs = torch.tensor([0, 1]) if isinstance(layer, nn.Embedding) else torch.randn(2, 3, 7, 7)
    for training in (True, True, True, False):
        outputs = [each.train(training)(inputs) for each in (official, ours)]
        torch.testing.assert_close(outputs[1], outputs[0])
        torch.testing.assert_close((norm.u, norm.v), (official.weight_u, official.weight_v))
    outputs[0].square().sum().backward()
    outputs[1].square().sum().backward()
    torch.testing.assert_close(ours.parametrizations.weight.original.grad, official.weight_orig.grad)


def test_spectral_norm_is_positive_before_any_forward() -> None:
    for _ in range(20):
        layer = nn.Linear(9, 5)
        weight = layer.weight.detach().clone()
        assert (spectral_norm(layer).eval().weight / weight > 0).all()


@pytest.mark.parametrize("rectified", [False, True])
def test_a_shortcut_reads_the_blocks_input_or_what_is_rectified(rectified: bool) -> None:
    layers = Layers("xavier", None)
    block = DiscriminatorBlock(2, 2, 2, 1, nn.ReLU(), layers, nn.Identity(), rectified_shortcut=rectified)
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    features = torch.randn(3, 2, 4, 4)
    assert torch.equal(block(features), features.relu() if rectified else features)


@pytest.mark.parametrize("module", [resnet, sagan, biggan])
def test_rectified_shortcuts_reach_every_block(module: ModuleType) -> None:
    blocks = module.Discriminator(width=2, rectified_shortcut=True).blocks
    assert all(block.rectified_shortcut for block in blocks)
    assert not any(block.rectified_shortcut for block in module.Discriminator(width=2).blocks)


def test_a_network_takes_another_normalisation() -> None:
    warm_up = "{_target_: ganforge.networks.spectral.Spectral, warm_up: 50}"
    config = compose(["model=sngan", "network.width=4", f"+network.discriminator.normalization={warm_up}"])
    check_nodes(config)
    warm = build(config.model.discriminator, "model").eval()
    for module in warm.modules():
        if isinstance(module, nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_conditional_batch_norm_by_hand() -> None:
    gain, bias = nn.Embedding(2, 3), nn.Embedding(2, 3)
    features, labels = torch.randn(4, 3, 5, 5), torch.tensor([0, 1, 1, 0])
    normalized = nn.BatchNorm2d(3, affine=False)(features)
    expected = normalized * (1 + gain(labels))[:, :, None, None] + bias(labels)[:, :, None, None]
    torch.testing.assert_close(ConditionalBatchNorm(3, gain, bias)(features, labels), expected)


def test_attention_starts_as_the_identity_and_averages_values() -> None:
    features = torch.randn(2, 16, 6, 6)
    attention = SelfAttention(16, Layers("xavier", None))
    assert torch.equal(attention(features), features)
    nn.init.zeros_(attention.query.weight)  # equal scores: every position gets the mean of the pooled values
    nn.init.ones_(attention.gain)
    pooled = nn.functional.max_pool2d(attention.value(features), 2).mean((2, 3), keepdim=True)
    expected = features + attention.output(pooled)
    torch.testing.assert_close(attention(features), expected)


@pytest.mark.parametrize(
    ("build", "names"),
    [
        *((partial(module.Generator, 30), "image_size=30") for module in FAMILIES),
        *((partial(module.Discriminator, 30), "image_size=30") for module in FAMILIES),
        (partial(resnet.Generator, 30), "32, 48, 64, 128"),
        (partial(resnet.Generator, width=0), "width"),
        (partial(resnet.Generator, attention=[5]), "attention=5"),
        (partial(resnet.Discriminator, normalization="batch"), "normalization"),
        (partial(resnet.Discriminator, pooling="max"), "pooling"),
        (partial(resnet.Discriminator, head=ClassHead), "classes"),
        (partial(biggan.Generator, latent_dim=10, shared_dim=4), "latent_dim=10"),
        (partial(biggan.Generator, multipliers=[4, 4]), "multipliers"),
        (partial(biggan.Discriminator, initialization="he"), "initialization"),
        (partial(biggan_deep.Generator, multipliers=[1, 2, 4, 8]), "multipliers"),
        (partial(biggan_deep.Discriminator, attention=[4]), "attention=4"),
        (partial(deep_conv.Discriminator, normalization="layer"), "normalization"),
        (lambda: resnet.Generator(width=4, classes=2)(torch.randn(2, 128)), "labels"),
        (lambda: resnet.Discriminator(width=4, classes=2)(torch.randn(2, 3, 32, 32)), "labels"),
    ],
)
def test_refusals_name_the_argument(build: Callable[[], object], names: str) -> None:
    with pytest.raises(GanforgeError, match=names):
        build()
