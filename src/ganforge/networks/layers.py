"""What the residual and convolutional families share: layers and initialisation."""

import math
from collections.abc import Callable
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.networks.spectral import Weighted, spectral_norm

__all__ = [
    "INITIALIZERS",
    "BatchNorm",
    "ConditionalBatchNorm",
    "Initialization",
    "Layers",
    "Normalization",
    "SelfAttention",
    "global_pool",
    "label_batch_norm",
]

Initialization = Literal["xavier", "orthogonal", "normal", "torch"]
#: ``"spectral"``, ``None``, or what normalises a layer, as ``Spectral(warm_up=15)``.
Normalization = Literal["spectral"] | Callable[..., nn.Module] | None

#: What an ``initialization`` does to a weight, given its gain.
INITIALIZERS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "xavier": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
    "normal": lambda weight, gain: nn.init.normal_(weight, std=0.02 * gain),
    "torch": lambda weight, gain: nn.init.kaiming_uniform_(weight, math.sqrt(6 / gain**2 - 1)),
}


class Layers:
    """Makes the weighted layers of a network, all of one initialisation and one weight normalisation.

    Biases keep torch's uniform initialisation, as in mimicry and BigGAN-PyTorch (StudioGAN zeroes them).

    Args:
        initialization: ``xavier`` uniform, ``orthogonal``, ``normal`` of standard deviation 0.02, or ``torch``,
            uniform within ``1 / sqrt(fan_in)``.
        normalization: ``spectral``, what normalises a layer in place, or ``None``.
        residual_gain: initial gain of the 3x3 convolutions inside residual blocks; all other layers have
            gain 1.
        attention: initialisation of the layers of self-attention; ``None`` is that of the others.

    Raises:
        GanforgeError: for an unknown initialization or normalization.
    """

    def __init__(
        self,
        initialization: Initialization,
        normalization: Normalization,
        *,
        residual_gain: float = 1.0,
        attention: Initialization | None = None,
    ) -> None:
        if initialization not in INITIALIZERS:
            valid = ", ".join(INITIALIZERS)
            raise GanforgeError(f"initialization must be one of {valid}, got '{initialization}'.")
        if normalization not in (None, "spectral") and not callable(normalization):
            raise GanforgeError(f"normalization must be 'spectral' or null, got '{normalization}'.")
        self.initialization = initialization
        self.normalization = normalization
        self.residual_gain = residual_gain
        self.attention = attention

    def of_attention(self) -> "Layers":
        """Return what makes the layers of self-attention."""
        return Layers(self.attention or self.initialization, self.normalization)

    def _finish(self, layer: Weighted, gain: float = 1.0) -> Weighted:
        INITIALIZERS[self.initialization](layer.weight, gain)
        if self.normalization is not None:
            normalize = spectral_norm if self.normalization == "spectral" else self.normalization
            normalize(layer)
        return layer

    def conv(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        bias: bool = True,
        gain: float = 1.0,
    ) -> nn.Conv2d:
        """Return a convolution that keeps the map's side, or halves it (even ``kernel``, ``stride`` 2)."""
        layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, bias=bias)
        return self._finish(layer, gain)

    def upconv(self, inputs: int, outputs: int) -> nn.ConvTranspose2d:
        """Return a 4x4 transposed convolution of stride 2, which doubles the map's side."""
        return self._finish(nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1))

    def linear(self, inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
        """Return a linear layer."""
        return self._finish(nn.Linear(inputs, outputs, bias=bias))

    def embedding(self, classes: int, outputs: int) -> nn.Embedding:
        """Return a table of ``classes`` vectors; spectral normalisation takes it for one matrix."""
        return self._finish(nn.Embedding(classes, outputs))


class BatchNorm(nn.Module):
    """Batch normalisation that takes a condition and ignores it; ``(n, features, h, w)`` to the same."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(features)

    def forward(self, features: Tensor, condition: Tensor | None = None) -> Tensor:
        """Normalise ``features``."""
        return cast(Tensor, self.normalize(features))


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose gain and bias depend on a condition (Miyato and Koyama 2018).

    ``y = normalized(x) * (1 + gain(condition)) + bias(condition)``, as in BigGAN.

    Args:
        features: channels of the map.
        gain, bias: modules from the condition to ``(n, features)``: embeddings of labels, linear layers of
            vectors.
    """

    def __init__(self, features: int, gain: nn.Module, bias: nn.Module) -> None:
        super().__init__()
        self.normalize = nn.BatchNorm2d(features, affine=False)
        self.gain = gain
        self.bias = bias

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Normalise ``(n, features, h, w)`` under ``condition``."""
        normalized: Tensor = self.normalize(features)
        gain = 1 + self.gain(condition)[:, :, None, None]
        bias = self.bias(condition)[:, :, None, None]
        return torch.addcmul(bias.to(normalized.dtype), normalized, gain.to(normalized.dtype))


def label_batch_norm(features: int, classes: int | None) -> BatchNorm | ConditionalBatchNorm:
    """Return batch normalisation per label, or plain for ``classes=None``.

    Initial gains are N(1, 0.02), biases 0, as in mimicry, which keeps both in one table of twice the width.
    """
    if classes is None:
        return BatchNorm(features)
    gain, bias = nn.Embedding(classes, features), nn.Embedding(classes, features)
    nn.init.normal_(gain.weight, std=0.02)
    nn.init.zeros_(bias.weight)
    return ConditionalBatchNorm(features, gain, bias)


class SelfAttention(nn.Module):
    """Self-attention over positions (Zhang et al. 2019, section 3), ``(n, features, h, w)`` to the same.

    As in the authors' code and in BigGAN-PyTorch, not as in the paper's text: keys and values are max-pooled
    to a quarter of the positions, values have half the channels, and there are no biases. The gain starts at
    0.
    """

    def __init__(self, features: int, layers: Layers) -> None:
        super().__init__()
        narrow, half = max(1, features // 8), max(1, features // 2)
        layers = layers.of_attention()
        self.query = layers.conv(features, narrow, 1, bias=False)
        self.key = layers.conv(features, narrow, 1, bias=False)
        self.value = layers.conv(features, half, 1, bias=False)
        self.output = layers.conv(half, features, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Add to each position what it attends to; the softmax runs in float32 at least."""
        query = self.query(features).flatten(2)
        key = F.max_pool2d(self.key(features), 2).flatten(2)
        value = F.max_pool2d(self.value(features), 2).flatten(2)
        scores = query.transpose(1, 2) @ key
        weights = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
        attended = value @ weights.to(value.dtype).transpose(1, 2)
        update: Tensor = self.output(attended.unflatten(2, features.shape[2:]))
        return features + self.gain.to(update.dtype) * update


def global_pool(features: Tensor, pooling: Literal["sum", "mean"]) -> Tensor:
    """Pool ``(n, d, h, w)`` over all positions to ``(n, d)``, in float32 at least."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    return features.sum((2, 3), dtype=dtype) if pooling == "sum" else features.mean((2, 3), dtype=dtype)
