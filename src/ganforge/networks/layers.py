"""What the residual and convolutional families share: layers and initialisation."""

from collections.abc import Callable
from typing import Literal, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize

from ganforge.core.errors import GanforgeError

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
    "spectral_norm",
]

Initialization = Literal["xavier", "orthogonal", "normal"]
Normalization = Literal["spectral"] | None

Weighted = TypeVar("Weighted", nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)

#: What an ``initialization`` does to a weight, given its gain.
INITIALIZERS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "xavier": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
    "normal": lambda weight, gain: nn.init.normal_(weight, std=0.02 * gain),
}


class _FullPrecision(nn.Module):
    """Runs a parametrization outside autocast, so that power iteration keeps the weight's precision."""

    def __init__(self, parametrization: nn.Module) -> None:
        super().__init__()
        self.parametrization = parametrization

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            return cast(Tensor, self.parametrization(weight))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(layer: Weighted) -> Weighted:
    """Divide the weight by its largest singular value (Miyato et al. 2018, algorithm 1); returns ``layer``.

    Initialise the weight before. One power iteration per forward pass in training mode, none in evaluation
    mode. Deviations from the official codes, which draw the singular vectors at random: torch's
    parametrization warms them up with 15 iterations at construction. Its eps is 1e-12 as in mimicry;
    BigGAN's scripts and StudioGAN use 1e-6 (it acts on weights that are all but zero only).
    """
    parametrizations.spectral_norm(layer)
    chain = cast(parametrize.ParametrizationList, cast(nn.ModuleDict, layer.parametrizations)["weight"])
    chain[0] = _FullPrecision(chain[0])
    return layer


class Layers:
    """Makes the weighted layers of a network, all of one initialisation and one weight normalisation.

    Biases keep torch's uniform initialisation, as in mimicry and BigGAN-PyTorch (StudioGAN zeroes them).

    Args:
        initialization: ``xavier`` uniform, ``orthogonal``, or ``normal`` of standard deviation 0.02.
        normalization: ``spectral`` or ``None``.
        residual_gain: initial gain of the 3x3 convolutions inside residual blocks; all other layers have
            gain 1.

    Raises:
        GanforgeError: for an unknown initialization or normalization.
    """

    def __init__(
        self, initialization: Initialization, normalization: Normalization, *, residual_gain: float = 1.0
    ) -> None:
        if initialization not in INITIALIZERS:
            valid = ", ".join(INITIALIZERS)
            raise GanforgeError(f"initialization must be one of {valid}, got '{initialization}'.")
        if normalization not in (None, "spectral"):
            raise GanforgeError(f"normalization must be 'spectral' or null, got '{normalization}'.")
        self.initialization = initialization
        self.normalization = normalization
        self.residual_gain = residual_gain

    def _finish(self, layer: Weighted, gain: float = 1.0) -> Weighted:
        INITIALIZERS[self.initialization](layer.weight, gain)
        return layer if self.normalization is None else spectral_norm(layer)

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
