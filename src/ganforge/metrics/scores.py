"""Fréchet Inception Distance and Inception Score from features, by torchmetrics."""

import warnings

import torch
from torch import Tensor, nn

from ganforge.metrics.moments import Moments, cached_moments
from ganforge.rng import sub_seed

__all__ = ["Moments", "cached_moments", "frechet_distance", "inception_score"]


class _Given(nn.Module):
    """Stands where torchmetrics expects an extractor: features are computed once, for all metrics."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Moments, fake: Tensor) -> float:
    """Return FID (Heusel et al. 2017, equation 6) between stored moments and ``(n, d)`` features.

    With fewer images than features the value is finite and strongly biased upwards.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Given(fake.shape[1]), sync_on_compute=False)
    metric.real_features_sum = real.total.double()
    metric.real_features_cov_sum = real.products.double()
    metric.real_features_num_samples = torch.tensor(real.count)
    metric.update(fake.cpu(), real=False)
    return float(metric.compute())


def inception_score(logits: Tensor, splits: int, seed: int) -> tuple[float, float]:
    """Return the Inception Score's mean and standard deviation over ``splits`` (Salimans et al. 2016, section 4).

    ``logits`` are ``(n, classes)``; they are permuted by ``seed`` first, so that order carries no meaning. The
    deviation over a single split is given as 0.
    """
    from torchmetrics.image.inception import InceptionScore

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message="Metric `InceptionScore` will save all extracted features")
        warnings.filterwarnings("ignore", message=r"std\(\): degrees of freedom")
        metric = InceptionScore(feature=_Given(logits.shape[1]), splits=splits, sync_on_compute=False)
        torch.manual_seed(sub_seed(seed, "inception-score"))
        metric.update(logits.cpu())
        mean, deviation = metric.compute()
    return float(mean), float(deviation) if splits > 1 else 0.0
