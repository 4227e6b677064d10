"""Networks whose weights are left as they are allocated, for tests that look at sizes alone."""

import pytest

from ganforge.networks import layers


@pytest.fixture
def uninitialized(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave weights as they are: counting needs no orthogonal matrices of hundreds of megabytes."""
    monkeypatch.setattr(layers, "INITIALIZERS", dict.fromkeys(layers.INITIALIZERS, lambda weight, gain: weight))


@pytest.fixture
def unnormalised(uninitialized: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out power iterations as well, which take seconds on the meta device, too."""
    monkeypatch.setattr(layers, "spectral_norm", lambda layer: layer)
