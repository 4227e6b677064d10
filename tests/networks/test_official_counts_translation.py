"""Networks from pictures to pictures: official counts, receptive fields, dropout and statistics in evaluation."""

import pytest
import torch
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.networks import cut, cyclegan, patch, pix2pix, spade, stargan


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def scales(source_channels, normalization):
    return patch.MultiScaleDiscriminator(
        256, 2, channels=3, source_channels=source_channels, normalization=normalization, padding=2
    )


@pytest.fixture
def unnormalised(monkeypatch):
    """Leave out spectral normalisation, whose power iterations have no meaning on the meta device."""
    for module in (patch, spade):
        monkeypatch.setattr(module, "spectral_norm", lambda layer: layer)


@pytest.mark.usefixtures("unnormalised")
@pytest.mark.parametrize(
    ("build", "count"),
    [
        # pytorch-CycleGAN-and-pix2pix 032e8843 and CUT b3ac2977, counted by running their files.
        (lambda: pix2pix.Generator(256), 54_413_955),
        (lambda: patch.Discriminator(256, 3, 3), 2_768_705),
        (lambda: cyclegan.Generator(256), 11_378_179),
        (lambda: patch.Discriminator(256, 3, normalization="instance"), 2_764_737),
        (lambda: cut.Generator(256), 11_378_179 + 560_384),
        (lambda: cut.Generator(256).projection, 560_384),
        # pix2pixHD 14b3b3c7 (35 classes and an edge), SPADE fecacc92 (COCO), stargan 94dd002e.
        (lambda: cyclegan.Generator(1024, 3, 36, blocks=9, halvings=4), 182_546_755),
        (lambda: scales(36, "instance"), 5_603_202),
        (lambda: spade.Generator(256, 3, 184), 97_480_899),
        (lambda: scales(184, "spectral_instance"), 5_904_514),
        (lambda: stargan.Generator(128), 8_430_528),
        (lambda: stargan.Discriminator(128), 44_762_048),
        # 256 pixels: the class head is of 4 x 4 places.
        (lambda: stargan.Discriminator(256), 44_762_048 + 5 * 2048 * (4 * 4 - 2 * 2)),
        # 20 classes fewer: seven blocks with 9 normalised maps in all more than 14, and the first layer.
        (lambda: spade.Generator(256, 3, 164), 97_480_899 - 20 * 9 * (128 * 18 + 1024)),
        # One stage less: its two 4 x 4 convolutions, of 512 and of 1024 channels to 512, and the gains of two norms.
        (lambda: pix2pix.Generator(128), 54_413_955 - 16 * 512 * (512 + 1024) - 2 * 2 * 512),
        # Three residual blocks less.
        (lambda: cyclegan.Generator(128), 11_378_179 - 3 * 2 * (256 * 256 * 9 + 256)),
        # One stage less of the PatchGAN: the layer of 256 to 512 with stride 2 is the one without.
        (lambda: patch.Discriminator(256, 3, 3, layers=2), 2_768_705 - (512 * 256 * 16 + 1024) - 256 * 16),
    ],
)
def test_official_count(build, count):
    with torch.device("meta"):
        assert parameters(build()) == count


@pytest.mark.parametrize(("layers", "pixels"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_a_logit_sees_a_patch_of_the_papers_size(layers, pixels):
    torch.manual_seed(0)
    discriminator = patch.Discriminator(320, 1, width=1, layers=layers).eval()
    for convolution in discriminator.modules():
        if isinstance(convolution, nn.Conv2d):
            nn.init.uniform_(convolution.weight, 0.5, 1)  # no path cancels another
    images = torch.zeros(1, 1, 320, 320, requires_grad=True)
    logits = discriminator(images).logits
    side = round(logits.numel() ** 0.5)
    (gradient,) = torch.autograd.grad(logits.view(side, side)[side // 2, side // 2], images)
    rows, columns = gradient[0, 0].nonzero().T
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (pixels, pixels)


@pytest.mark.parametrize(("image_size", "side"), [(256, 30), (64, 6), (32, 2)])
def test_the_map_of_70_pixel_patches(image_size, side):
    critique = patch.Discriminator(image_size, 3, 3, width=2)(*[torch.randn(2, 3, image_size, image_size)] * 2)
    assert critique.logits.shape == (2, side**2)
    assert [maps.shape[1] for maps in critique.require_layers()[0]] == [2, 4, 8, 16]


def unet(**options):
    torch.manual_seed(0)
    return pix2pix.Generator(**{"image_size": 64, "width": 4, **options})


def drops(generator):
    return sum(isinstance(part, nn.Dropout) for part in generator.modules())


def test_dropout_is_where_the_paper_has_it():
    assert [drops(unet(image_size=size)) for size in (256, 128, 64, 32)] == [3, 2, 1, 0]
    assert drops(unet(dropout=0.0)) == 0


def test_dropout_stays_on_in_evaluation_and_is_always_the_same():
    dropout, maps = pix2pix.Dropout(0.25).eval(), torch.ones(2, 16, 8, 8)
    kept = dropout(maps)
    assert torch.equal(kept, dropout(maps))
    assert torch.equal(kept[0], kept[1])
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (kept == 0).float().mean().item() == pytest.approx(0.25, abs=0.04)
    near = (kept[0, :, :, 1:] == 0) == (kept[0, :, :, :-1] == 0)
    assert near.float().mean().item() == pytest.approx(0.25**2 + 0.75**2, abs=0.08)  # neighbours are independent
    source = torch.randn(1, 3, 64, 64)
    generator = unet().eval()
    plain = unet(dropout=0.0).eval()
    plain.load_state_dict(generator.state_dict())
    assert not torch.allclose(generator(None, source), plain(None, source))


def test_evaluation_normalises_each_image_as_training_does_one_alone():
    generator, images = unet(dropout=0.0), torch.randn(3, 3, 64, 64)
    alone = torch.cat([generator.train()(None, image[None]) for image in images])
    torch.testing.assert_close(generator.eval()(None, images), alone, rtol=1e-4, atol=1e-5)
    running = unet(dropout=0.0, per_image=False)
    assert not torch.allclose(running.eval()(None, images), running.train()(None, images))


def test_cuts_encoder_is_the_generators_and_its_features_are_unit_vectors():
    torch.manual_seed(0)
    generator = cut.Generator(32, width=2, blocks=5, embedding=64)
    pictures = torch.randn(2, 3, 32, 32)
    maps = generator.patches(pictures)
    assert [tuple(each.shape[1:]) for each in maps] == [(3, 38, 38), (4, 32, 32), (8, 16, 16), (8, 8, 8), (8, 8, 8)]
    assert torch.equal(maps[0][:, :, 3:-3, 3:-3], pictures)
    vectors = generator.project(maps, [torch.tensor([0, 5])] * 5)
    assert all(each.shape == (2, 2, 64) for each in vectors)
    torch.testing.assert_close(torch.stack(vectors).norm(dim=-1), torch.ones(5, 2, 2))
    torch.testing.assert_close(generator.layers[17:](maps[-1]), generator(None, pictures))


def test_blurred_halving_keeps_constants_and_removes_the_finest_stripes():
    halve = cyclegan.BlurHalve()
    assert torch.equal(halve(torch.full((1, 2, 8, 8), 3.0)), torch.full((1, 2, 4, 4), 3.0))
    stripes = torch.tensor([1.0, -1.0]).repeat(4).expand(1, 1, 8, 8)
    assert torch.equal(halve(stripes), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize("module", [pix2pix, cyclegan, cut])
def test_other_sizes_are_translated_later(module):
    generator = module.Generator(32, width=4).eval()
    taller, wider = 2 * generator.multiple, 3 * generator.multiple
    assert generator(None, torch.randn(1, 3, taller, wider)).shape == (1, 3, taller, wider)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (
            lambda: pix2pix.Generator(33),
            "multiples of 4 pixels from 4 on, .* is 33 x 33; set .*=.32, 32",
        ),
        (
            lambda: pix2pix.Generator([64, 48], stages=5),
            "multiples of 32 pixels from 32 on, .* is 64 x 48",
        ),
        (lambda: cyclegan.Generator(30), "multiples of 4 pixels from 8 on"),
        (lambda: cyclegan.Generator(16, halvings=4), "from 32 on, .* set data.image_size=.32, 32"),
        (lambda: patch.Discriminator(16), "network.layers=3 .* data.image_size=16: set network.layers=2"),
        (lambda: patch.Discriminator(64, normalization="layer"), "network.normalization must be"),
        (lambda: cut.Generator(32, 1, 3), "3 and 1 channels"),
        (lambda: cut.Generator(32, maps=[0, 99]), "from 0 to 17"),
        (lambda: pix2pix.Generator(32, width=2)(None, None), "there are none: add conditioning=given"),
        (lambda: pix2pix.Generator(32, dropout=1.0), "dropout"),
    ],
)
def test_refusals_are_one_sentence(build, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        build()


def test_each_scale_sees_half_of_the_one_before_and_counts_alike():
    torch.manual_seed(0)
    discriminator = patch.MultiScaleDiscriminator(64, 2, channels=3, source_channels=2, width=2, layers=1).eval()
    images, source = torch.randn(2, 3, 64, 64), torch.randn(2, 2, 64, 64)
    critique = discriminator(images, source)
    halved = [nn.functional.avg_pool2d(each, 3, 2, 1, count_include_pad=False) for each in (images, source)]
    expected = [discriminator.scales[0](images, source).logits, discriminator.scales[1](*halved).logits]
    assert critique.patches == (31**2 - 31 * 2 + 1, 15**2 - 15 * 2 + 1) == (900, 196)
    for found, known in zip(critique.scales(), expected, strict=True):
        torch.testing.assert_close(found, known)
    assert [len(layers) for layers in critique.require_layers()] == [2, 2]


def test_spade_modulates_each_place_by_its_own_source():
    torch.manual_seed(0)
    norm = spade.SpatiallyAdaptiveNorm(3, 2, hidden=4)
    for convolution in norm.modules():
        if isinstance(convolution, nn.Conv2d):
            nn.init.normal_(convolution.weight)
    maps, source = torch.randn(2, 3, 12, 12), torch.randn(2, 2, 24, 24)
    changed = source.clone()
    changed[:, :, :2, :2] += 1
    difference = (norm(maps, source) - norm(maps, changed)).abs().amax((0, 1))
    assert difference[0, 0] > 0
    assert difference[3:, :].max() == difference[:, 3:].max() == 0  # two 3 x 3 convolutions see 2 places further
    nearest, plain = source[:, :, ::2, ::2], nn.BatchNorm2d(3, affine=False)(maps)
    hidden = norm.shared(nearest)
    torch.testing.assert_close(norm(maps, source), plain * (1 + norm.gain(hidden)) + norm.bias(hidden))


@pytest.mark.parametrize(("image_size", "first"), [(16, 4), (32, 4), (64, 4), (128, 4), (256, 8)])
def test_spade_begins_at_no_less_than_four_pixels(image_size, first):
    with torch.device("meta"):
        assert image_size // spade.Generator(image_size, width=2).multiple == first


def test_stargan_translates_by_label():
    torch.manual_seed(0)
    generator, pictures = stargan.Generator(16, classes=3, width=4), torch.randn(2, 3, 16, 16)
    one, other = (generator(pictures, torch.tensor(labels)) for labels in ([0, 1], [2, 1]))
    assert one.shape == pictures.shape
    assert not torch.allclose(one[0], other[0])
    assert torch.equal(one[1], other[1])
    critique = stargan.Discriminator(16, classes=3, width=4)(pictures)
    assert critique.logits.shape == (2, 4)
    assert critique.class_logits.shape == (2, 3)
    with pytest.raises(GanforgeError, match="choose a labelled dataset"):
        stargan.Generator(16, classes=None)
