"""From pixels to values: the same as torch-fidelity and torchmetrics, on images that are resized."""

import pytest
import torch
from random_inception import write

from ganforge.data.columns import Column, Split, Splits
from ganforge.data.modality import Images
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import Inception
from ganforge.metrics.extractors.inception import INCEPTION_FILE
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.inception_score import InceptionScore
from ganforge.metrics.kernel import KernelDistance
from ganforge.metrics.manifold import PrecisionRecall
from ganforge.metrics.protocol import Protocol, Sampling
from ganforge.metrics.sources import Stored

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
COUNT = 70  # does not divide by any batch size


def images(seed, contrast):
    """Smooth colour images of 40 x 40 pixels, not the network's 299."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(COUNT, 3, 6, 6, generator=generator) * contrast
    return torch.nn.functional.interpolate(small, (40, 40), mode="bicubic").mul(255).clamp(0, 255).to(torch.uint8)


class Plain(torch.utils.data.TensorDataset):
    def __getitem__(self, index):
        return super().__getitem__(index)[0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / INCEPTION_FILE
    write(path)
    return path


@pytest.fixture(scope="module")
def sides():
    return images(0, 1.0), images(1, 0.8)


@pytest.fixture(scope="module")
def ours(weights, sides, tmp_path_factory):
    real, fake = sides
    metrics = {
        "fid": FrechetDistance(),
        "kid": KernelDistance(subsets=20, subset_size=30),
        "inception_score": InceptionScore(splits=5),
        "precision_recall": PrecisionRecall(neighbours=3),
    }
    protocol = Protocol("parity", Inception(str(weights)), metrics, COUNT, sampling=Sampling(batch_size=48))
    sets = [Split(Column(images, Images(40, 3))) for images in (real, real[:0], fake)]
    evaluation = Evaluation([protocol], Splits(*sets[:2]), tmp_path_factory.mktemp("cache"), torch.device("cpu"))
    return evaluation(Stored(sets[2]))["parity"]


def test_torch_fidelity(ours, weights, sides):
    from torch_fidelity import calculate_metrics

    real, fake = sides
    theirs = calculate_metrics(
        input1=Plain(fake),
        input2=Plain(real),
        cuda=False,
        fid=True,
        kid=True,
        isc=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        kid_subsets=20,
        kid_subset_size=30,
        isc_splits=5,
        prc_neighborhood=3,
        cache=False,
        verbose=False,
    )
    names = {
        "fid": "frechet_inception_distance",
        "kid": "kernel_inception_distance_mean",
        "kid_std": "kernel_inception_distance_std",
        "inception_score": "inception_score_mean",
        "inception_score_std": "inception_score_std",
        "precision": "precision",
        "recall": "recall",
    }
    for mine, name in names.items():
        assert ours[mine] == pytest.approx(theirs[name], rel=1e-4), mine


def test_torchmetrics_without_antialiasing(ours, weights, sides):
    from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3

    real, fake = sides
    network = NoTrainInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights), antialias=False
    )
    metric = FrechetInceptionDistance(feature=network)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert ours["fid"] == pytest.approx(float(metric.compute()), rel=1e-4)
    antialiased = FrechetInceptionDistance(feature=NoTrainInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
    ))  # fmt: skip
    antialiased.update(real, real=True)
    antialiased.update(fake, real=False)
    assert ours["fid"] != pytest.approx(float(antialiased.compute()), rel=1e-4)
