"""StyleGAN2 (Karras et al. 2020a) with the ADA paper's classes (2020b), after stylegan2-ada-pytorch.

The generator maps the latent to styles that modulate each convolution, and sums the images that each
resolution draws ('skip'). The discriminator is 'orig' (plain; CIFAR-10), 'skip' or 'resnet'. Initialisation
is the official one: all weights N(0, 1) under equalised learning rate, biases zero but one where a style is
computed, noise strengths zero, constant input N(0, 1); leaky ReLU (0.2) times sqrt(2).

Deviations from the official code: modulation scales activations before and after one shared convolution in
evaluation too (the official code fuses it into grouped weights there; equal up to rounding); no
half-precision weight pre-normalisation and no activation clamp, so bfloat16 or float32, not float16. As in
the official code the mapping, the styles, the sum of images and the discriminator's last block stay in
float32 under autocast.
"""

from collections.abc import Sequence
from itertools import pairwise, zip_longest
from math import sqrt
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count, Fraction
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks.critique import Critique
from ganforge.networks.equalized import (
    EqualizedConvolution,
    EqualizedLinear,
    MinibatchStd,
    Resample,
    blur_kernel,
    channels_at,
    convolve,
    downsample,
    full_precision,
    leaky,
    pixel_norm,
    require_labels,
    resolutions,
    upsample,
)

__all__ = ["Discriminator", "Generator", "ModulatedConvolution"]

Architecture = Literal["orig", "skip", "resnet"]
Noise = Literal["random", "constant", "none"]

_TAPS = (1, 3, 3, 1)


class Mapping(nn.Module):
    """Multilayer perceptron from latent and label to a style, at a hundredth of the learning rate.

    Args:
        latent_dim: of the latent; ``None`` where only the label is mapped (the discriminator).
        classes: number of classes; ``None`` for no label.
        style_dim: width of every layer, of the label's embedding and of the output.
        layers: number of layers.
    """

    def __init__(self, latent_dim: int | None, classes: int | None, style_dim: int, layers: int) -> None:
        super().__init__()
        if layers < 1:
            raise GanforgeError(f"StyleGAN2: mapping_layers must be a whole number >= 1, got {layers}.")
        self.classes = classes
        self.embed = None if classes is None else EqualizedLinear(classes, style_dim)
        inputs = (latent_dim or 0) + (0 if classes is None else style_dim)
        features = [inputs] + [style_dim] * layers
        self.layers = nn.ModuleList(EqualizedLinear(a, b, multiplier=0.01) for a, b in pairwise(features))

    def forward(self, latent: Tensor | None, condition: Tensor | None) -> Tensor:
        """Map ``(n, latent_dim)``, labels ``(n,)`` to ``(n, style_dim)``; both enter at unit mean square."""
        dtype = next(self.parameters()).dtype
        parts = [] if latent is None else [pixel_norm(latent.to(dtype))]
        if self.embed is not None and self.classes is not None:
            labels = F.one_hot(require_labels(condition, self.classes), self.classes)
            parts.append(pixel_norm(self.embed(labels.to(dtype))))
        x = torch.cat(parts, 1)
        for layer in self.layers:
            x = leaky(layer(x))
        return x


class ModulatedConvolution(nn.Module):
    """Convolution whose input channels a style scales, and whose outputs are scaled back to unit variance.

    ``y_j = conv(s * x, w)_j / sqrt(sum_{i,k} (s_i w_jik)^2 + 1e-8)`` with ``s`` affine in the style (Karras
    et al. 2020a, equations 1 and 3). The coefficients are computed in float32.

    Args:
        inputs: channels in.
        outputs: channels out.
        style_dim: of the style.
        resample: ``"up"`` doubles the image.
    """

    kernel: Tensor

    def __init__(self, inputs: int, outputs: int, style_dim: int, resample: Resample | None = None) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.resample = resample
        self.register_buffer("kernel", blur_kernel(_TAPS), persistent=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map ``(n, inputs, h, w)`` and ``(n, style_dim)`` to ``(n, outputs, h', w')``."""
        with full_precision(x):
            scale: Tensor = self.affine(style)
            energy = scale.square() @ self.weight.square().sum((2, 3)).T
            demodulation = (energy + 1e-8).rsqrt()
        x = x * scale.to(x.dtype)[:, :, None, None]
        x = convolve(x, self.weight, self.kernel, self.resample)
        return x * demodulation.to(x.dtype)[:, :, None, None]


class _SynthesisLayer(nn.Module):
    """Modulated convolution, noise of learned strength, bias, leaky ReLU."""

    fixed_noise: Tensor

    def __init__(self, inputs: int, outputs: int, style_dim: int, size: int, resample: Resample | None = None) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(inputs, outputs, style_dim, resample)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.register_buffer("fixed_noise", torch.randn(size, size))

    def forward(self, x: Tensor, style: Tensor, noise: Noise) -> Tensor:
        x = self.convolution(x, style)
        if noise == "random":
            x = x + torch.randn_like(x[:, :1]) * self.noise_strength.to(x.dtype)
        elif noise == "constant":
            x = x + (self.fixed_noise * self.noise_strength).to(x.dtype)
        return leaky(x + self.bias.to(x.dtype))


class _ToImage(nn.Module):
    """Modulated 1x1 convolution without demodulation."""

    def __init__(self, inputs: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.affine = EqualizedLinear(style_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        with full_precision(x):
            scale = self.affine(style) / sqrt(self.weight.shape[1])
        return F.conv2d(x * scale.to(x.dtype)[:, :, None, None], self.weight, self.bias).to(style.dtype)


class _SynthesisBlock(nn.Module):
    """The layers of one resolution, and the image it adds."""

    def __init__(self, inputs: int | None, outputs: int, style_dim: int, size: int, channels: int) -> None:
        super().__init__()
        first = [] if inputs is None else [_SynthesisLayer(inputs, outputs, style_dim, size, "up")]
        self.layers = nn.ModuleList([*first, _SynthesisLayer(outputs, outputs, style_dim, size)])
        self.to_image = _ToImage(outputs, channels, style_dim)

    def forward(self, x: Tensor, styles: Sequence[Tensor], noise: Noise) -> tuple[Tensor, Tensor]:
        for layer, style in zip(self.layers, styles[:-1], strict=True):
            x = layer(x, style, noise)
        return x, self.to_image(x, styles[-1])


class Generator(nn.Module):
    """StyleGAN2's generator with skip connections to the image.

    Args:
        image_size: a power of two from 8 to 1024.
        channels: of the images.
        latent_dim: of the latent.
        classes: number of classes; ``None`` for an unconditional generator.
        style_dim: of the style and of the mapping's layers.
        mapping_layers: 8 in the papers' large models, 2 in the official ``cifar`` and ``auto``
            configurations.
        channel_base: feature maps at size ``s`` are ``channel_base / s``; the official ``fmaps`` times 32768.
        channel_max: most feature maps anywhere.
        style_mixing: probability that a training batch takes its finer layers' styles from second latents,
            drawn from N(0, I) whatever the run's prior (official: 0.9, on ``cifar`` 0); 0 disables.

    Raises:
        GanforgeError: for an impossible size, probability or number of layers.
    """

    kernel: Tensor
    w_mean: Tensor

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        latent_dim: Count = 512,
        classes: Count | None = None,
        style_dim: Count = 512,
        mapping_layers: Count = 8,
        channel_base: Count = 32768,
        channel_max: Count = 512,
        style_mixing: Fraction = 0.9,
    ) -> None:
        super().__init__()
        sizes = resolutions("network=stylegan2", image_size)
        if not 0 <= style_mixing <= 1:
            raise GanforgeError(f"StyleGAN2 generator: style_mixing must be in [0, 1], got {style_mixing}.")
        widths = channels_at(sizes, channel_base, channel_max)
        self.style_mixing = style_mixing
        self.style_count = 2 * len(sizes)
        self.mapping = Mapping(latent_dim, classes, style_dim, mapping_layers)
        self.constant = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.blocks = nn.ModuleList(
            _SynthesisBlock(inputs, outputs, style_dim, size, channels)
            for inputs, outputs, size in zip([None, *widths], widths, sizes, strict=False)
        )
        self.register_buffer("kernel", blur_kernel(_TAPS), persistent=False)
        self.register_buffer("w_mean", torch.zeros(style_dim))

    def map(self, latent: Tensor, condition: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Map latents to the styles that :meth:`synthesise` takes.

        In training mode this tracks the mean style in ``w_mean`` (decay 0.995 a call) and mixes styles.

        Args:
            latent: ``(n, latent_dim)``.
            condition: int64 labels ``(n,)`` of a conditional generator.
            truncation: styles move to ``w_mean + truncation * (w - w_mean)``; 1 leaves them (Karras et al.
                2019, appendix B).

        Returns:
            ``(n, layers, style_dim)``, one style a layer.
        """
        with full_precision(latent):
            w = self.mapping(latent, condition)
            styles = w[:, None].expand(-1, self.style_count, -1)
            if self.training:
                self.w_mean.copy_(w.detach().mean(0).lerp(self.w_mean, 0.995))
                if torch.rand(()).item() < self.style_mixing:
                    second = self.mapping(torch.randn_like(latent), condition)[:, None]
                    cut = int(torch.randint(1, self.style_count, ()))
                    styles = torch.cat([styles[:, :cut], second.expand(-1, self.style_count - cut, -1)], 1)
            return styles if truncation == 1 else torch.lerp(self.w_mean, styles, truncation)

    def synthesise(self, styles: Tensor, noise: Noise = "random") -> Tensor:
        """Draw unbounded images ``(n, channels, image_size, image_size)`` from ``(n, layers, style_dim)``.

        Args:
            styles: from :meth:`map`; differentiable twice, for path length regularisation.
            noise: ``random``, fresh for every call (official default, evaluation included), ``constant``, the same
                each time (officially ``const``), or ``none``.

        Raises:
            GanforgeError: for another noise.
        """
        if noise not in get_args(Noise):
            raise GanforgeError(
                f"StyleGAN2 generator: noise must be one of {', '.join(get_args(Noise))}, got '{noise}'."
            )
        by_layer = styles.unbind(1)
        x: Tensor = self.constant.expand(styles.shape[0], -1, -1, -1)
        images: Tensor
        x, images = self.blocks[0](x, by_layer[:2], noise)
        for index, block in enumerate(self.blocks[1:]):
            # The style that draws a resolution's image also modulates the next resolution's first layer.
            x, drawn = block(x, by_layer[2 * index + 1 : 2 * index + 4], noise)
            images = upsample(images, self.kernel) + drawn
        return images

    def forward(
        self,
        latent: Tensor,
        condition: Tensor | None = None,
        *,
        truncation: float = 1.0,
        noise: Noise = "random",
    ) -> Tensor:
        """Map and synthesise, see :meth:`map` and :meth:`synthesise`."""
        return self.synthesise(self.map(latent, condition, truncation), noise)


class _PlainBlock(nn.Module):
    """Convolution, convolution to half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(inputs, inputs, 3)
        self.second = EqualizedConvolution(inputs, outputs, 3, resample="down")

    def forward(self, x: Tensor) -> Tensor:
        return leaky(self.second(leaky(self.first(x))))


class _ResidualBlock(_PlainBlock):
    """The same beside a 1x1 shortcut, both times sqrt(1/2) so that the sum keeps the variance."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.shortcut = EqualizedConvolution(inputs, outputs, 1, gain=sqrt(0.5), bias=None, resample="down")

    def forward(self, x: Tensor) -> Tensor:
        return leaky(self.second(leaky(self.first(x))), gain=1.0).add(self.shortcut(x))


_BLOCKS: dict[Architecture, type[_PlainBlock]] = {
    "orig": _PlainBlock,
    "skip": _PlainBlock,
    "resnet": _ResidualBlock,
}


class Discriminator(nn.Module):
    """StyleGAN2's discriminator; conditional by projection on a mapped label (Karras et al. 2020b).

    Args:
        image_size: a power of two from 8 to 1024.
        channels: of the images.
        classes: number of classes; ``None`` for an unconditional discriminator.
        architecture: ``"orig"`` (official ``cifar``), ``"skip"`` (the image enters at every size),
            ``"resnet"``.
        mapping_layers: of the label's mapping; 8 in every official configuration.
        channel_base: feature maps at size ``s`` are ``channel_base / s``.
        channel_max: most feature maps anywhere.
        group_size: of the minibatch standard deviation (official: 32 for ``cifar``, 8 for ``paper256``, else
            4).

    Raises:
        GanforgeError: for an impossible size, architecture, group or number of layers.
    """

    kernel: Tensor

    def __init__(
        self,
        image_size: ImageSize = 32,
        channels: Count = 3,
        classes: Count | None = None,
        architecture: Architecture = "resnet",
        mapping_layers: Count = 8,
        channel_base: Count = 32768,
        channel_max: Count = 512,
        group_size: Count = 4,
    ) -> None:
        super().__init__()
        sizes = resolutions("network=stylegan2", image_size)
        if architecture not in _BLOCKS:
            raise GanforgeError(
                f"StyleGAN2 discriminator: architecture must be one of {', '.join(_BLOCKS)}, got '{architecture}'."
            )
        widths = channels_at(sizes, channel_base, channel_max)[::-1]
        width = widths[-1]
        entries = widths if architecture == "skip" else widths[:1]
        self.from_images = nn.ModuleList(EqualizedConvolution(channels, entry, 1) for entry in entries)
        self.blocks = nn.ModuleList(_BLOCKS[architecture](a, b) for a, b in pairwise(widths))
        self.minibatch_std = MinibatchStd(group_size)
        self.convolution = EqualizedConvolution(width + 1, width, 3)
        self.dense = EqualizedLinear(width * 16, width)
        self.out = EqualizedLinear(width, 1 if classes is None else width)
        self.mapping = None if classes is None else Mapping(None, classes, width, mapping_layers)
        self.register_buffer("kernel", blur_kernel(_TAPS), persistent=False)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, channels, image_size, image_size)``; a conditional network needs labels ``(n,)``."""
        x = leaky(self.from_images[0](images))
        for block, from_image in zip_longest(self.blocks, self.from_images[1:]):
            x = block(x)
            if from_image is not None:
                images = downsample(images, self.kernel)
                x = x + leaky(from_image(images))
        with full_precision(x):
            x = leaky(self.convolution(self.minibatch_std(x.to(self.out.weight.dtype))))
            features = leaky(self.dense(x.flatten(1)))
            logits = self.out(features)
            if self.mapping is not None:
                logits = logits * self.mapping(None, condition) / sqrt(logits.shape[1])
            return Critique(logits.sum(1), features=features)
