"""Comparisons of random features, for tests of metrics."""

import pytest
import torch

from ganforge.data.modality import Images
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.moments import Moments


def normal(count, dimensions=8, seed=0, shift=0.0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dimensions, generator=generator) * scale + shift


def close_to(values):
    """Compare with values that were measured of the same samples: features are float32, and sums have any order.

    A Fréchet distance takes square roots of eigenvalues near 0, of which rounding leaves about 1e-8 of themselves.
    Values may stand by split.
    """
    if isinstance(values, dict) and any(isinstance(value, dict) for value in values.values()):
        return {name: close_to(value) for name, value in values.items()}
    return pytest.approx(values, rel=1e-6, abs=1e-9)


def images(count, size=32, channels=3, seed=0):
    """Smooth random pictures, as uint8."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 4, 4, generator=generator) * 255
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 255).to(torch.uint8)


def compare(fake=None, real=None, **fields):
    """Return a comparison; features that are not given are normal ones."""
    fake = normal(60, seed=1) if fake is None else fake
    if real is not None:
        fields = {"real_features": real, "real_moments": Moments.of(iter([real])), **fields}
    fields = {
        "fake_logits": torch.zeros(len(fake), 4),
        "seed": 0,
        "extract": lambda images: None,
        "modality": Images(32, 3),
        **fields,
    }
    return Comparison(fake_features=fake, **fields)
