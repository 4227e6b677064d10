import math

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.data.mixtures import Grid, Ring
from ganforge.metrics.modes import ModeProtocol, mode_scores


def test_true_samples_score_full_marks() -> None:
    ring = Ring()
    points, _ = ring.draw(50_000, torch.Generator().manual_seed(0))
    scores = mode_scores(points, ring.centres, ring.sigma)
    assert scores["modes"] == 8
    assert scores["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=2e-3)  # a plane's P(distance < 3 sigma)
    assert scores["reverse_kl"] < 1e-3


def test_two_of_four_modes_cost_log_two() -> None:
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    points = centres[[0, 0, 1, 1]]
    assert mode_scores(points, centres, 0.1) == pytest.approx(
        {"modes": 2, "high_quality": 1, "reverse_kl": math.log(2)}
    )


def test_poor_samples_count_in_the_share_alone() -> None:
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    points = torch.tensor([[0.29, 0.0], [0.31, 0.0], [0.5, 9.0], [1.0, 0.0]])
    assert mode_scores(points, centres, 0.1) == pytest.approx({"modes": 2, "high_quality": 0.5, "reverse_kl": 0.0})


def test_without_good_samples_the_divergence_is_infinite() -> None:
    scores = mode_scores(torch.full((7, 2), 9.0), Grid().centres, 0.05)
    assert scores == {"modes": 0, "high_quality": 0, "reverse_kl": math.inf}


def test_protocol_s_tag_tells_mixtures_and_sample_sizes_apart() -> None:
    ring = Ring()
    tags = {
        ModeProtocol().tag(ring.centres, ring.sigma),
        ModeProtocol().tag(ring.centres, 0.02),
        ModeProtocol(samples=100).tag(ring.centres, ring.sigma),
        ModeProtocol(weights="raw").tag(ring.centres, ring.sigma),
    }
    assert len(tags) == 4
    with pytest.raises(GanforgeError, match=r"protocol\.samples"):
        ModeProtocol(samples=0)
