import math
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.data.mixtures import Grid, MixtureSample, Points, Ring
from ganforge.data.modality import Images, Modality
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import Identity
from ganforge.metrics.modes import ModeCoverage, mode_scores


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


def compared(points: torch.Tensor, modality: Modality) -> Comparison:
    return Comparison(points, torch.zeros(len(points), 0), 0, Identity().load().module, modality)


def test_the_metric_reads_the_mixture_that_the_points_are_of() -> None:
    ring = Ring()
    points, _ = ring.draw(500, torch.Generator().manual_seed(0))
    scores = ModeCoverage(threshold=2.0)(compared(points, Points(ring)))
    assert scores == mode_scores(points, ring.centres, ring.sigma, 2.0)
    for modality in (Points(), Images(8, 1)):
        with pytest.raises(GanforgeError, match="known mixture of points: use data=ring"):
            ModeCoverage()(compared(points, modality))
    with pytest.raises(GanforgeError, match=r"ModeCoverage\.threshold"):
        ModeCoverage(threshold=0.0)
    with pytest.raises(GanforgeError, match="not finite"):
        ModeCoverage()(compared(points * math.inf, Points(ring)))


def test_protocols_refuse_kinds_that_they_do_not_read(tmp_path: Path) -> None:
    sample = MixtureSample(Ring(), points=100)
    splits = sample.load(Points(sample.mixture))
    for name, reads in (("digits", False), ("pacgan_modes", True)):
        (node,) = compose([f"protocol=[{name}]"]).protocol.values()
        refused = nullcontext() if reads else pytest.raises(GanforgeError, match="measures images, and the samples are")
        with refused:
            Evaluation([instantiate(node)], splits, tmp_path, torch.device("cpu"))
