"""Spectral normalisation of weights (Miyato et al. 2018)."""

from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

__all__ = ["Spectral", "SpectralNorm", "spectral_norm"]

Weighted = TypeVar("Weighted", nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


class SpectralNorm(nn.Module):
    """Divides a weight by an estimate of its largest singular value (Miyato et al. 2018, algorithm 1).

    One power iteration a forward pass in training mode, ``v = W'u / |W'u|`` and then ``u = Wv / |Wv|``, none in
    evaluation mode; the value is ``u'Wv``, in which ``u`` and ``v`` count as constants. The order, one iteration and a
    ``u`` drawn at random are those of the paper, mimicry, BigGAN-PyTorch and StudioGAN;
    :func:`torch.nn.utils.parametrizations.spectral_norm` updates ``u`` first and begins with 15 iterations. It runs
    outside autocast, so that the iteration keeps the weight's precision.

    Args:
        weight: as it is initialised.
        dim: the axis of output channels.
        warm_up: iterations before training.
        eps: added to norms that are all but zero: 1e-12 as in mimicry (BigGAN's scripts and StudioGAN: 1e-6).
    """

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor, *, dim: int = 0, warm_up: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps
        with torch.no_grad():
            matrix = self._matrix(weight)
            u = F.normalize(torch.randn(len(matrix), dtype=matrix.dtype, device=matrix.device), dim=0, eps=eps)
            for _ in range(warm_up):
                u, _ = self._iterate(matrix, u)
            v = F.normalize(matrix.T @ u, dim=0, eps=eps)  # what the first iteration gives: u'Wv is positive before it
        self.register_buffer("u", u)
        self.register_buffer("v", v)

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    def _iterate(self, matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        v = F.normalize(matrix.T @ u, dim=0, eps=self.eps)
        return F.normalize(matrix @ v, dim=0, eps=self.eps), v

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight divided, of the same shape."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = self._matrix(weight)
            u, v = self.u.clone(), self.v.clone()  # a later forward may move them before this one's backward
            if self.training:
                with torch.no_grad():
                    u, v = self._iterate(matrix, u)
                    self.u.copy_(u)
                    self.v.copy_(v)
            return weight / torch.dot(u, matrix @ v)

    def right_inverse(self, value: Tensor) -> Tensor:
        """Return what is kept where the weight is set: the value itself, which the next forward divides."""
        return value


@dataclass(frozen=True)
class Spectral:
    """Normalises layers by :class:`SpectralNorm`.

    Args:
        warm_up: power iterations before training.
    """

    warm_up: int = 0

    def __call__(self, layer: Weighted) -> Weighted:
        """Normalise a layer's weight, which is initialised before; returns ``layer``."""
        dim = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        norm = SpectralNorm(layer.weight, dim=dim, warm_up=self.warm_up)
        return cast(Weighted, parametrize.register_parametrization(layer, "weight", norm, unsafe=True))


#: What ``normalization="spectral"`` is.
spectral_norm = Spectral()
