"""The Dirac-GAN (Mescheder et al. 2018, definition 2.1): the smallest game that may fail to converge.

The data are the point 0, the generator's distribution is the point ``theta``, the discriminator is ``D(x) =
psi x``. Logits are high for real here, so ``psi`` is minus the paper's: its start ``(theta, psi) = (1, 1)``
is ``(1, -1)``.
"""

import torch
from torch import Tensor, nn

from ganforge.networks.critique import Critique

__all__ = ["Discriminator", "Generator"]


class Generator(nn.Module):
    """A point mass at ``theta``.

    Args:
        theta: where it starts.
    """

    latent_dim = 1

    def __init__(self, theta: float = 1.0) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return ``theta`` ``n`` times, ``(n, 1)``; of ``(n, 1)`` latents only the number counts."""
        return self.theta.expand(len(latent), 1)


class Discriminator(nn.Module):
    """The line ``psi x``.

    Args:
        psi: where its slope starts.
    """

    def __init__(self, psi: float = -1.0) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor(psi))

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Critique:
        """Score ``(n, 1)`` points."""
        return Critique(self.psi * images[:, 0])
