"""Distances and balance by class, and classification accuracy."""

import math

import pytest
import torch
from comparisons import compare, normal

from ganforge.core.errors import GanforgeError
from ganforge.metrics.accuracy import ClassificationAccuracy
from ganforge.metrics.classes import ClassBalance, IntraClassFrechet
from ganforge.metrics.frechet import Reference
from ganforge.metrics.inputs import FewSamplesWarning

LABELS = torch.arange(3).repeat(60)


def clusters(count=180, seed=0, spread=0.3):
    """Features around three corners, by class."""
    return torch.eye(3, 4)[LABELS[:count]] * 3 + normal(count, 4, seed=seed, scale=spread)


def test_distance_within_classes_is_that_of_each_class():
    real, fake = clusters(), clusters(seed=1)
    fake[LABELS == 2] += 1
    found = IntraClassFrechet()(compare(fake, real, fake_labels=LABELS, real_labels=LABELS))
    each = [Reference(real[label == LABELS]).distance(fake[label == LABELS]) for label in range(3)]
    assert found["intra_fid"] == pytest.approx(sum(each) / 3)
    assert found["intra_fid_worst"] == max(each) == each[2]
    assert found["intra_fid_worst_class"] == 2


def test_confused_classes_are_seen_within_classes_alone():
    real = clusters()
    swapped = compare(clusters(seed=1), real, fake_labels=(LABELS + 1) % 3, real_labels=LABELS)
    assert IntraClassFrechet()(swapped)["intra_fid"] > 100 * Reference(real).distance(swapped.fake_features)


def test_classes_with_few_samples():
    few = compare(clusters(12, seed=1), clusters(), fake_labels=LABELS[:12], real_labels=LABELS)
    with pytest.warns(FewSamplesWarning, match="as few as 4 samples with 4 features"):
        IntraClassFrechet()(few)
    with pytest.raises(GanforgeError, match="class 2 has 60 real and 0 generated"):
        IntraClassFrechet()(compare(clusters(), clusters(), fake_labels=LABELS % 2, real_labels=LABELS))


def test_balance_of_equal_sets_and_of_a_missing_class():
    logits = torch.eye(3)[LABELS] * 9
    same = ClassBalance()(compare(fake_logits=logits, real_logits=logits))
    assert same == {
        "class_entropy": pytest.approx(math.log(3)),
        "class_entropy_real": pytest.approx(math.log(3)),
        "class_total_variation": 0,
        "classes_missing": 0,
    }
    lost = ClassBalance()(compare(fake_logits=logits[LABELS < 2], real_logits=logits))
    assert lost["class_entropy"] == pytest.approx(math.log(2))
    assert lost["class_total_variation"] == pytest.approx(1 / 3)
    assert lost["classes_missing"] == 1


def test_a_class_too_rare_to_expect_is_not_missing():
    logits = torch.eye(3)[LABELS] * 9
    few = compare(fake_logits=logits[:2].repeat(6, 1), real_logits=logits)
    assert ClassBalance()(few)["classes_missing"] == 0  # 12 samples: 4 to expect
    assert ClassBalance(expected=4)(few)["classes_missing"] == 1


def test_a_class_with_too_small_a_share_is_missing():
    """Of 100 images 7 are of the last class, a third of the real ones: 0.21 of its share."""
    logits = torch.eye(3)[LABELS] * 9
    rare = compare(fake_logits=logits[[0] * 50 + [1] * 43 + [2] * 7], real_logits=logits)
    missing = {least: ClassBalance(least=least)(rare)["classes_missing"] for least in (0.0, 0.2, 0.22)}
    assert missing == {0.0: 0, 0.2: 0, 0.22: 1}


def accuracy(fake, labels=LABELS):
    return ClassificationAccuracy()(
        compare(
            fake,
            fake_labels=labels,
            train_features=clusters(),
            train_labels=LABELS,
            heldout_features=clusters(90, seed=5),
            heldout_labels=LABELS[:90],
        )
    )


def test_accuracy_of_good_of_poor_and_of_mislabelled_samples():
    assert min(accuracy(clusters(seed=1)).values()) > 0.97
    poor = accuracy(clusters(seed=1, spread=3))
    assert 0.4 < poor["cas_real_to_generated"] < 0.8
    assert poor["cas_real_to_real"] > 0.97
    wrong = accuracy(clusters(seed=1), (LABELS + 1) % 3)
    assert wrong["cas_generated_to_real"] < 0.05
    assert wrong["cas_real_to_generated"] < 0.05
    assert wrong["cas_real_to_real"] > 0.97


def test_accuracy_without_classes():
    with pytest.raises(GanforgeError, match="at least 2 classes"):
        accuracy(clusters(), torch.zeros_like(LABELS))
    with pytest.raises(GanforgeError, match="needs train_features"):
        ClassificationAccuracy()(compare(fake_labels=LABELS[:60]))
