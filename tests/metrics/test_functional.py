"""Metrics as functions: the same values as in a protocol, from tensors and from batches."""

import pytest
import torch
from comparisons import images, normal
from torch.utils.data import DataLoader, TensorDataset

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, Splits
from ganforge.data.modality import Images
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import DigitClassifier, Identity
from ganforge.metrics.frechet import FrechetDistance, Reference
from ganforge.metrics.functional import frechet_distance
from ganforge.metrics.inputs import FewSamplesWarning
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.sources import Stored

FAKE, REAL = images(300, channels=1, seed=1), images(400, channels=1)


def test_equal_to_the_protocols_value(tmp_path):
    whole = Split(Column(REAL, Images(32, 1)))
    protocol = Protocol("digits", DigitClassifier(), {"fid": FrechetDistance()}, len(FAKE))
    evaluation = Evaluation([protocol], Splits(whole, whole), tmp_path, torch.device("cpu"))
    value = evaluation(Stored(Split(Column(FAKE, Images(32, 1)))))["digits"]["fid"]
    assert frechet_distance(FAKE, REAL, extractor=DigitClassifier()) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(
    "real",
    [
        DataLoader(TensorDataset(REAL, torch.zeros(400)), batch_size=50),
        iter(REAL.split(70)),
        REAL.float() / 127.5 - 1,
    ],
    ids=["pairs", "iterator", "floats"],
)
def test_what_holds_the_samples_does_not_matter(real):
    whole = frechet_distance(FAKE, REAL, extractor=DigitClassifier())
    assert frechet_distance(FAKE, real, extractor=DigitClassifier()) == pytest.approx(whole, rel=1e-4)


def test_points_are_their_own_features():
    fake, real = normal(200, 3, seed=1, shift=1.0), normal(300, 3)
    assert frechet_distance(fake, real, extractor=Identity()) == pytest.approx(Reference(real).distance(fake), rel=1e-6)


def test_few_samples_are_warned_of_and_none_refused():
    with pytest.warns(FewSamplesWarning, match="biased upwards"):
        frechet_distance(normal(3, 8), normal(300, 8), extractor=Identity())
    with pytest.raises(GanforgeError, match="no generated samples"):
        frechet_distance([], REAL, extractor=Identity())
