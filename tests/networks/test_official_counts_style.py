"""The style, progressive and R3GAN families: official parameter counts, shapes, gradients, closed forms."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.networks import equalized, progressive, r3gan, stylegan2


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


SMALL: dict[str, Any] = {"channel_base": 64, "channel_max": 8}


def small(family: str, size: int, channels: int, classes: int | None) -> tuple[nn.Module, nn.Module]:
    """Networks of a few thousand parameters; latent_dim 6."""
    torch.manual_seed(0)
    common: dict[str, Any] = {"image_size": size, "channels": channels, "classes": classes}
    if family == "r3gan":
        stages = len(equalized.resolutions("test", size))
        common |= {"widths": [8] * stages, "cardinalities": [2] * stages, "blocks": [1] * stages}
        return r3gan.Generator(latent_dim=6, **common), r3gan.Discriminator(**common)
    common |= SMALL
    if family == "progressive":
        return progressive.Generator(latent_dim=6, **common), progressive.Discriminator(**common)
    generator = stylegan2.Generator(latent_dim=6, style_dim=5, mapping_layers=2, **common)
    architecture: Any = family.removeprefix("stylegan2-")
    return generator, stylegan2.Discriminator(architecture=architecture, mapping_layers=2, **common)


FAMILIES = ["stylegan2-orig", "stylegan2-skip", "stylegan2-resnet", "r3gan", "progressive"]


COUNTS: list[tuple[str, Callable[[], nn.Module], int]] = [
    ("sg2 cifar G", lambda: stylegan2.Generator(32, mapping_layers=2), 19_947_539),
    ("sg2 cifar D", lambda: stylegan2.Discriminator(32, architecture="orig"), 20_720_641),
    ("sg2 cifar-10 G", lambda: stylegan2.Generator(32, classes=10, mapping_layers=2), 20_215_315),
    ("sg2 cifar-10 D", lambda: stylegan2.Discriminator(32, classes=10, architecture="orig"), 23_089_664),
    ("sg2 64 G", lambda: stylegan2.Generator(64), 27_032_600),
    ("sg2 64 D", lambda: stylegan2.Discriminator(64), 26_488_833),
    ("sg2 64 half G", lambda: stylegan2.Generator(64, channel_base=16384), 23_819_544),
    ("sg2 64 half D", lambda: stylegan2.Discriminator(64, channel_base=16384), 23_407_361),
    ("sg2 paper256 G", lambda: stylegan2.Generator(256, channel_base=16384), 24_767_458),
    ("sg2 paper256 D", lambda: stylegan2.Discriminator(256, channel_base=16384), 24_001_089),
    # The official code's own printed summary at 1024, 'auto' configuration.
    ("sg2 1024 G", lambda: stylegan2.Generator(1024, mapping_layers=2), 28_794_124),
    ("sg2 1024 D", lambda: stylegan2.Discriminator(1024), 29_012_513),
    ("r3gan cifar G", r3gan.Generator, 20_732_160),
    ("r3gan cifar D", r3gan.Discriminator, 20_683_776),
    ("r3gan cifar-10 G", lambda: r3gan.Generator(classes=10), 20_781_952),
    ("r3gan cifar-10 D", lambda: r3gan.Discriminator(classes=10), 21_280_512),
    ("r3gan ffhq-64 G", lambda: r3gan.Generator(64), 22_429_824),
    ("r3gan ffhq-64 D", lambda: r3gan.Discriminator(64), 22_381_440),
    ("progan 128 G", lambda: progressive.Generator(128), 22_933_394),
    ("progan 128 D", lambda: progressive.Discriminator(128, minibatch_std="after"), 22_944_897),
    # The statistic's weights move from the dense layer (16 * 512) to the convolution (9 * 512).
    ("progan 128 D, paper", lambda: progressive.Discriminator(128), 22_944_897 - 16 * 512 + 9 * 512),
]


@pytest.mark.parametrize(("build", "expected"), [pytest.param(b, n, id=name) for name, b, n in COUNTS])
def test_official_count(build: Callable[[], nn.Module], expected: int) -> None:
    with torch.device("meta"):
        assert count(build()) == expected


def test_official_counts_of_parts() -> None:
    with torch.device("meta"):
        assert count(stylegan2.Generator(32, mapping_layers=2).mapping) == 525_312
        assert count(stylegan2.Generator(64).mapping) == 2_101_248
        assert count(stylegan2.Generator(32, classes=10, mapping_layers=2).mapping) == 793_088
        mapping = stylegan2.Discriminator(32, classes=10, architecture="orig").mapping
        assert mapping is not None
        assert count(mapping) == 2_106_880
        assert count(r3gan.Generator(classes=10).embedding) == 640
        assert count(r3gan.Discriminator(classes=10).embedding) == 7_680
        assert count(progressive.Generator(128).to_images) == 7_314
        assert count(progressive.Discriminator(128).from_images) == 9_728


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128, 256, 512, 1024])
def test_stylegan2_counts_at_every_size(size: int) -> None:
    """Count by hand from the official layer list."""
    sizes = [2**exponent for exponent in range(2, size.bit_length())]
    width = {s: min(32768 // s, 512) for s in sizes}

    def layer(a: int, b: int) -> int:
        return 512 * a + a + 9 * a * b + b + 1

    synthesis = 16 * width[4] + layer(width[4], width[4])
    synthesis += sum(layer(width[s // 2], width[s]) + layer(width[s], width[s]) for s in sizes[1:])
    synthesis += sum(512 * width[s] + width[s] + 3 * width[s] + 3 for s in sizes)
    plain = sum(9 * width[s] ** 2 + width[s] + 9 * width[s] * width[s // 2] + width[s // 2] for s in sizes[1:])
    last = 9 * (width[4] + 1) * width[4] + width[4] + 16 * width[4] ** 2 + width[4] + width[4] + 1
    entry = {s: 3 * width[s] + width[s] for s in sizes}
    shortcuts = sum(width[s] * width[s // 2] for s in sizes[1:])
    with torch.device("meta"):
        assert count(stylegan2.Generator(size)) == synthesis + 8 * (512 * 512 + 512)
        assert count(stylegan2.Discriminator(size, architecture="orig")) == plain + last + entry[size]
        assert count(stylegan2.Discriminator(size, architecture="skip")) == plain + last + sum(entry.values())
        assert count(stylegan2.Discriminator(size)) == plain + last + entry[size] + shortcuts


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("size", "channels", "classes"), [(8, 1, None), (16, 3, 4), (32, 3, None)])
def test_shapes(family: str, size: int, channels: int, classes: int | None) -> None:
    generator, discriminator = small(family, size, channels, classes)
    condition = None if classes is None else torch.tensor([0, 3, 1])
    images = generator(torch.randn(3, 6), condition)
    assert images.shape == (3, channels, size, size)
    critique = discriminator(images, condition)
    assert critique.logits.shape == (3,)
    assert critique.features is not None
    assert critique.features.shape[0] == 3
    if family == "progressive" and classes is not None:
        assert critique.class_logits.shape == (3, classes)
    else:
        assert critique.class_logits is None


def _perturb(*networks: nn.Module) -> None:
    """Move parameters off zero, so that zero-initialised branches and noise take part."""
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_every_parameter_and_second_derivatives_are_finite(family: str) -> None:
    generator, discriminator = small(family, 16, 3, 4)
    _perturb(generator, discriminator)
    condition = torch.tensor([0, 3, 1, 2])
    fake = generator(torch.randn(4, 6), condition)
    critique = discriminator(fake, condition)
    score = critique.logits.sum()
    if critique.class_logits is not None:
        score = score + critique.class_logits.square().sum()
    score.backward()
    unused = {"to_images", "from_images"} if family == "progressive" else set()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            if name.split(".")[0] in unused:
                continue
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, name

    discriminator.zero_grad()
    real = torch.randn(4, 3, 16, 16, requires_grad=True)
    logits = discriminator(real, condition).logits
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    slope.square().sum().backward()
    gradients = [p.grad for p in discriminator.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(gradient.abs().sum() for gradient in gradients) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_penalty_has_right_derivative(family: str) -> None:
    """Analytic second derivatives of R1 in float64 against finite differences."""
    _, discriminator = small(family, 8, 1, None)
    _perturb(discriminator)
    discriminator.double()
    names = {"r3gan": "residuals.0.0.widen.weight", "progressive": "from_images.1.0.weight"}
    weight = discriminator.get_parameter(names.get(family, "from_images.0.weight"))
    real = torch.randn(4, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(weight)

    def penalty() -> Tensor:
        (slope,) = torch.autograd.grad(discriminator(real).logits.sum(), real, create_graph=True)
        return slope.square().sum()

    (gradient,) = torch.autograd.grad(penalty(), weight)
    values = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            weight.add_(direction, alpha=step)
        values.append(penalty().item())
    assert (gradient * direction).sum().item() == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


def test_path_length_differentiates_through_synthesise() -> None:
    generator, _ = small("stylegan2-orig", 16, 3, None)
    assert isinstance(generator, stylegan2.Generator)
    _perturb(generator)
    styles = generator.map(torch.randn(2, 6))
    assert styles.shape == (2, 6, 5)
    images = generator.synthesise(styles)
    (slope,) = torch.autograd.grad((images * torch.randn_like(images)).sum(), styles, create_graph=True)
    lengths = slope.square().sum(2).mean(1).sqrt()
    lengths.square().sum().backward()
    for name, parameter in generator.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), name
    assert generator.constant.grad is not None
    assert generator.constant.grad.abs().sum() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_autocast(family: str) -> None:
    generator, discriminator = small(family, 16, 3, 4)
    condition = torch.tensor([0, 3, 1, 2])
    latent = torch.randn(4, 6)
    generator.eval()
    state = torch.get_rng_state()
    exact = generator(latent, condition)
    torch.set_rng_state(state)
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(latent, condition)
        critique = discriminator(images, condition)
    assert images.isfinite().all()
    assert critique.logits.isfinite().all()
    assert (images - exact).square().mean().sqrt() < 0.03 * exact.std()
    critique.logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in discriminator.parameters() if p.grad is not None)


@pytest.mark.parametrize("size", [0, 4, 12, 28, 2048])
def test_refuses_impossible_sizes(size: int) -> None:
    for module in (stylegan2, r3gan, progressive):
        for build in (module.Generator, module.Discriminator):
            with pytest.raises(GanforgeError, match=r"image_size must be one of 8, 16, .* 1024"):
                build(size)


def test_refuses_impossible_arguments() -> None:
    with pytest.raises(GanforgeError, match="style_mixing"):
        stylegan2.Generator(style_mixing=2)
    with pytest.raises(GanforgeError, match="architecture must be one of orig, skip, resnet"):
        stylegan2.Discriminator(architecture="plain")  # type: ignore[arg-type]
    with pytest.raises(GanforgeError, match="widths needs 4 values"):
        r3gan.Generator(widths=[8, 8])
    with pytest.raises(GanforgeError, match="cardinalities must divide"):
        r3gan.Generator(widths=[8] * 4, cardinalities=[3] * 4)
    with pytest.raises(GanforgeError, match="minibatch_std"):
        progressive.Discriminator(minibatch_std="never")  # type: ignore[arg-type]
    with pytest.raises(GanforgeError, match="condition is None"):
        small("r3gan", 8, 1, 4)[0](torch.randn(2, 6))


def test_demodulation_gives_unit_variance() -> None:
    torch.manual_seed(0)
    layer = stylegan2.ModulatedConvolution(16, 12, 5)
    y = layer(torch.randn(4, 16, 66, 66), 3 * torch.randn(4, 5))[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(y.var((2, 3)), torch.ones(4, 12), atol=0.12, rtol=0)


def test_modulation_equals_a_convolution_per_sample() -> None:
    torch.manual_seed(0)
    layer = stylegan2.ModulatedConvolution(3, 2, 5).double()
    x, style = torch.randn(4, 3, 8, 8, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    weight = layer.weight * layer.affine(style)[:, None, :, None, None]
    weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    expected = torch.cat([F.conv2d(a[None], w, padding=1) for a, w in zip(x, weight, strict=True)])
    torch.testing.assert_close(layer(x, style), expected)


def _reference_filter(x: Tensor, kernel: Tensor, before: int, after: int) -> Tensor:
    """Filter each channel by hand with ``before`` and ``after`` zeros around the image."""
    x = F.pad(x, (before, after, before, after))
    size = len(kernel)
    patches = x.unfold(2, size, 1).unfold(3, size, 1)
    return (patches * kernel).sum((-1, -2))


@pytest.mark.parametrize("taps", [(1, 1), (1, 3, 3, 1)])
def test_resampling_is_upfirdn(taps: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    kernel = equalized.blur_kernel(taps).double()
    assert kernel.sum().item() == pytest.approx(1)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    t = len(taps)
    spread = torch.zeros(2, 3, 16, 16, dtype=torch.float64)
    spread[:, :, ::2, ::2] = x
    up = 4 * _reference_filter(spread, kernel, (t + 1) // 2, (t - 2) // 2)
    torch.testing.assert_close(equalized.upsample(x, kernel), up)
    down = _reference_filter(x, kernel, (t - 1) // 2, (t - 2) // 2)[:, :, ::2, ::2]
    torch.testing.assert_close(equalized.downsample(x, kernel), down)

    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64)
    point = torch.randn(4, 3, 1, 1, dtype=torch.float64)
    mirrored = F.conv2d(equalized.upsample(x, kernel), weight.flip(2, 3), padding=1)
    inner = slice(2, -2)  # the border pads with zeros before or after the filter
    torch.testing.assert_close(
        equalized.convolve(x, weight, kernel, "up")[:, :, inner, inner], mirrored[:, :, inner, inner]
    )
    torch.testing.assert_close(equalized.convolve(x, point, kernel, "up"), F.conv2d(up, point))
    torch.testing.assert_close(equalized.convolve(x, point, kernel, "down"), F.conv2d(down, point))
    blurred = _reference_filter(x, kernel, 1 + (t - 1) // 2, 1 + (t - 2) // 2)
    torch.testing.assert_close(equalized.convolve(x, weight, kernel, "down"), F.conv2d(blurred, weight)[:, :, ::2, ::2])


def test_box_filter_is_nearest_and_average() -> None:
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3)
    kernel = equalized.blur_kernel((1, 1))
    torch.testing.assert_close(equalized.upsample(x, kernel), F.interpolate(x, scale_factor=2))
    torch.testing.assert_close(equalized.downsample(x, kernel), F.avg_pool2d(x, 2))
    torch.testing.assert_close(
        equalized.convolve(x, weight, kernel, "up"),
        F.conv2d(F.interpolate(x, scale_factor=2), weight.flip(2, 3), padding=1),
    )
    torch.testing.assert_close(
        equalized.convolve(x, weight, kernel, "down"), F.avg_pool2d(F.conv2d(x, weight, padding=1), 2)
    )


def test_shared_layers_pass_gradgradcheck() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    kernel = equalized.blur_kernel((1, 3, 3, 1)).double()
    for mode in (None, "up", "down"):
        small_x = x[:1].detach().requires_grad_()
        check = lambda a, w, mode=mode: equalized.convolve(a, w, kernel, mode)  # noqa: E731
        assert torch.autograd.gradgradcheck(check, (small_x, weight))
    assert torch.autograd.gradgradcheck(equalized.MinibatchStd(2), x)
    assert torch.autograd.gradgradcheck(equalized.pixel_norm, x)
    style = torch.randn(1, 3, dtype=torch.float64, requires_grad=True)
    modulated = stylegan2.ModulatedConvolution(2, 2, 3).double()
    assert torch.autograd.gradgradcheck(modulated, (x[:1].detach().requires_grad_(), style))


def test_minibatch_std_closed_form() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 3, 4, 4)
    y = equalized.MinibatchStd(4)(x)
    assert y.shape == (8, 4, 4, 4)
    torch.testing.assert_close(y[:, :3], x)
    for first in (0, 1):  # groups are samples n / group_size = 2 apart
        group = x[first::2]
        expected = (group.var(0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(y[first::2, 3], expected.expand(4, 4, 4))
    alternating = torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(4, 1, 1, 1).expand(4, 2, 4, 4)
    assert equalized.MinibatchStd(4)(alternating)[:, 2].mean().item() == pytest.approx(1.0)
    assert equalized.MinibatchStd(4)(torch.randn(6, 2, 4, 4)).shape == (6, 3, 4, 4)
    torch.testing.assert_close(equalized.MinibatchStd(4)(x[:1])[:, 3], torch.full((1, 4, 4), 1e-4))


def test_equalised_layers_keep_variance() -> None:
    torch.manual_seed(0)
    linear = equalized.EqualizedLinear(256, 512, multiplier=0.01)
    assert linear.weight.std().item() == pytest.approx(100, rel=0.02)
    assert linear(torch.randn(64, 256)).std().item() == pytest.approx(1, rel=0.05)
    layer = equalized.EqualizedConvolution(64, 64, 3, gain=sqrt(2))
    assert layer(torch.randn(8, 64, 16, 16))[:, :, 1:-1, 1:-1].std().item() == pytest.approx(sqrt(2), rel=0.05)
    styled = equalized.EqualizedLinear(8, 4, bias=1.0)
    torch.testing.assert_close(styled(torch.zeros(2, 8)), torch.ones(2, 4))


def test_r3gan_starts_as_its_skip_path() -> None:
    """The last convolution of each residual branch is zero, so that blocks do nothing at the start."""
    generator, _ = small("r3gan", 16, 3, None)
    assert isinstance(generator, r3gan.Generator)
    latent = torch.randn(3, 6)
    x = generator.basis * generator.dense(latent)[:, :, None, None]
    for _ in range(2):
        x = equalized.upsample(x, generator.kernel)
    torch.testing.assert_close(generator(latent), generator.to_image(x))
    block = r3gan.Generator(8, widths=[768, 768]).residuals[0][0]
    gain = sqrt(2 / 1.04) * 4**-0.25
    assert block.widen.weight.std().item() == pytest.approx(gain / sqrt(768), rel=0.02)
    assert block.mix.weight.std().item() == pytest.approx(gain / sqrt(16 * 9), rel=0.02)


def _style_generator(**changes: Any) -> stylegan2.Generator:
    torch.manual_seed(0)
    return stylegan2.Generator(16, latent_dim=6, style_dim=5, mapping_layers=2, **SMALL, **changes)


def test_style_mixing_in_training_only() -> None:
    generator, latent = _style_generator(style_mixing=1.0), torch.randn(3, 6)
    for _ in range(8):
        styles = generator.map(latent)
        changed = (styles != styles[:, :1]).any(2)
        assert not changed[:, 0].any()
        assert changed[:, -1].all()
        cut = int(changed[0].int().argmax())
        torch.testing.assert_close(styles[:, cut:], styles[:, -1:].expand(-1, 6 - cut, -1))
    assert torch.equal(*generator.eval().map(latent)[:, [0, -1]].unbind(1))
    assert torch.equal(*_style_generator(style_mixing=0).map(latent)[:, [0, -1]].unbind(1))


def test_truncation_and_mean_style() -> None:
    generator, latent = _style_generator(style_mixing=0), torch.randn(64, 6)
    w = generator.map(latent)[:, 0]
    torch.testing.assert_close(generator.w_mean, 0.005 * w.mean(0))
    generator.eval()
    mean = generator.w_mean.clone()
    torch.testing.assert_close(generator.map(latent, truncation=0.0)[:, 3], mean.expand(64, -1))
    torch.testing.assert_close(generator.map(latent, truncation=0.5)[:, 3], mean + 0.5 * (w - mean))
    torch.testing.assert_close(generator.w_mean, mean)
    flat = generator(latent, truncation=0.0, noise="none")
    torch.testing.assert_close(flat, flat[:1].expand_as(flat))
    assert "w_mean" in generator.state_dict()


def test_noise_kinds() -> None:
    generator, latent = _style_generator().eval(), torch.randn(2, 6)
    _perturb(generator)
    assert not torch.equal(generator(latent), generator(latent))
    for noise in ("constant", "none"):
        assert torch.equal(generator(latent, noise=noise), generator(latent, noise=noise))
    assert not torch.equal(generator(latent, noise="constant"), generator(latent, noise="none"))
    with pytest.raises(GanforgeError, match="random, constant, none, got 'const'"):
        generator(latent, noise="const")  # type: ignore[arg-type]


def _grow(images: Tensor, times: int) -> Tensor:
    for _ in range(times):
        images = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return images


def test_progressive_generator_levels() -> None:
    generator, _ = small("progressive", 16, 3, None)
    assert isinstance(generator, progressive.Generator)
    latent = torch.randn(3, 6)
    features = [generator.stages[0](latent)]
    for stage in generator.stages[1:]:
        features.append(stage(features[-1]))
    drawn = [head(x) for head, x in zip(generator.to_images, features, strict=True)]
    for level, index in ((0, 2), (1, 1), (2, 0), (7, 0)):
        generator.level_of_detail.fill_(level)
        torch.testing.assert_close(generator(latent), _grow(drawn[index], 2 - index))
    for level in (0.25, 1.75):
        generator.level_of_detail.fill_(level)
        index, fade = 2 - int(level), level - int(level)
        blended = (1 - fade) * drawn[index] + fade * _grow(drawn[index - 1], 1)
        torch.testing.assert_close(generator(latent), _grow(blended, 2 - index))


@pytest.mark.parametrize("place", ["before", "after"])
def test_progressive_discriminator_levels(place: Any) -> None:
    torch.manual_seed(0)
    critic = progressive.Discriminator(16, minibatch_std=place, **SMALL)
    images = torch.randn(4, 3, 16, 16)
    small_images = [F.avg_pool2d(images, 2 ** (2 - index)) for index in range(3)]

    def judge(x: Tensor, index: int) -> Tensor:
        for stage in reversed(critic.stages[: index + 1]):
            x = stage(x)
        return critic.out(x)[:, 0]

    for level, index in ((0, 2), (1, 1), (2, 0)):
        critic.level_of_detail.fill_(level)
        expected = judge(critic.from_images[index](small_images[index]), index)
        torch.testing.assert_close(critic(images).logits, expected)
    for level in (0.25, 1.75):
        critic.level_of_detail.fill_(level)
        index, fade = 2 - int(level), level - int(level)
        fine = critic.stages[index](critic.from_images[index](small_images[index]))
        coarse = critic.from_images[index - 1](small_images[index - 1])
        expected = judge((1 - fade) * fine + fade * coarse, index - 1)
        torch.testing.assert_close(critic(images).logits, expected)


def test_real_images_at_a_level() -> None:
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(progressive.at_level(images, 0), images)
    half = _grow(F.avg_pool2d(images, 2), 1)
    quarter = _grow(F.avg_pool2d(images, 4), 2)
    torch.testing.assert_close(progressive.at_level(images, 1), half)
    torch.testing.assert_close(progressive.at_level(images, 0.25), 0.75 * images + 0.25 * half)
    torch.testing.assert_close(progressive.at_level(images, 1.5), 0.5 * half + 0.5 * quarter)
    torch.testing.assert_close(progressive.at_level(images, 9), quarter)
