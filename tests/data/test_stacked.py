"""Stacked digits: the sample, the scores' closed forms, and a run."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Split, Splits
from ganforge.data.embedded import Mnist5k
from ganforge.data.modality import Images
from ganforge.data.stacked import StackedDigits
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.extractors import StackedDigitClassifier
from ganforge.metrics.stacked import StackedModes, coverage


class Given:
    """Digits that are loaded already."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits

    def load(self, modality: Images) -> Splits:
        return self.splits


@pytest.fixture(scope="module")
def digits() -> Splits:
    return Mnist5k().load(Images(28, 1))


@pytest.fixture(scope="module")
def sample(digits: Splits) -> Splits:
    return StackedDigits(Given(digits), 2000, 6000).load(Images(32, 3))


def score(images: torch.Tensor, reference: torch.Tensor | None = None) -> dict[str, float]:
    """Count the modes of images."""
    features, logits = StackedDigitClassifier().load().module(images)
    metric = StackedModes("uniform" if reference is None else "data")
    extract = None  # the metric asks for nothing more
    return metric(Comparison(features, logits, 0, extract, Images(32, 3), real_labels=reference))  # type: ignore[arg-type]


def test_channels_are_digits_of_the_same_split_and_make_up_the_label(digits: Splits, sample: Splits) -> None:
    parts = (sample.train, digits.train, 2000), (sample.heldout, digits.heldout, 6000)
    for part, source, count in parts:
        assert part.data.values.shape == (count, 3, 28, 28)
        assert part.data.values.dtype == torch.uint8
        labelled = {
            image.numpy().tobytes(): int(label) for image, label in zip(source.data.read(), source.label, strict=True)
        }
        for row in range(0, count, 50):
            a, b, c = (labelled[channel.contiguous().numpy().tobytes()] for channel in part.data.values[row])
            assert part.label[row] == 100 * a + 10 * b + c


def test_sample_is_fixed_by_its_seed(digits: Splits, sample: Splits) -> None:
    again, other = (StackedDigits(Given(digits), 2000, 10, seed).load(Images(32, 3)) for seed in (0, 1))
    assert torch.equal(again.train.data.read(), sample.train.data.read())
    assert torch.equal(again.train.label, sample.train.label)
    assert not torch.equal(other.train.data.read(), sample.train.data.read())
    shares = torch.bincount(sample.heldout.label // 100, minlength=10) / 6000
    assert (shares - 0.1).abs().max() < 0.02


def test_closed_forms_of_the_scores() -> None:
    assert coverage(torch.full((1000,), 7)) == pytest.approx({"modes": 1000, "reverse_kl": 0}, abs=1e-9)
    one = torch.zeros(1000, dtype=torch.int64).index_fill(0, torch.tensor([123]), 500)
    assert coverage(one) == pytest.approx({"modes": 1, "reverse_kl": math.log(1000)})
    shares = torch.tensor([0.5, 0.25, 0.25, 0.0])
    assert coverage(torch.tensor([2, 1, 1, 0]), shares) == pytest.approx({"modes": 3, "reverse_kl": 0})
    assert coverage(torch.tensor([0, 1, 1, 0]), shares)["reverse_kl"] == pytest.approx(math.log(2))
    assert coverage(torch.tensor([0, 0, 0, 1]), shares)["reverse_kl"] == math.inf


def test_perfect_samples_divergence_has_miller_s_bias() -> None:
    modes = torch.randint(1000, (26_000,), generator=torch.Generator().manual_seed(0))
    assert coverage(torch.bincount(modes, minlength=1000))["reverse_kl"] == pytest.approx(999 / 52_000, rel=0.1)


def test_real_images_reach_nearly_all_modes_and_one_image_a_single_one(sample: Splits) -> None:
    real = score(sample.heldout.data.values)
    assert real["modes"] > 980
    assert real["reverse_kl"] < 0.25  # about 999 / 12,000 for the drawing, twice
    one = score(sample.heldout.data.values[:1])
    assert one == pytest.approx({"modes": 1, "reverse_kl": math.log(1000)})
    assert score(sample.heldout.data.values[:1], torch.arange(1000)) == pytest.approx(one)


def test_refusals(digits: Splits) -> None:
    with pytest.raises(GanforgeError, match=r"data\.source\.size"):
        StackedDigits(Given(digits), 0)
    with pytest.raises(GanforgeError, match=r"data\.channels=3"):
        StackedDigits(Given(digits), 5).load(Images(32, 1))
    unlabelled = Split(digits.train.data)
    with pytest.raises(GanforgeError, match="labels 0 to 9"):
        StackedDigits(Given(Splits(unlabelled, unlabelled)), 5).load(Images(32, 3))
    with pytest.raises(GanforgeError, match=r"StackedModes\.reference"):
        StackedModes(reference="even")  # type: ignore[arg-type]
    with pytest.raises(GanforgeError, match="must be StackedDigitClassifier"):
        StackedModes()(Comparison(torch.zeros(2, 3), torch.zeros(2, 10), 0, None, Images(32, 3)))  # type: ignore[arg-type]


def test_command_line_run_counts_modes(train: Callable[..., int], run_folder: Callable[[], Path]) -> None:
    small = ["data.source.size=200", "data.source.heldout=10", "protocol=stacked_modes"]
    assert train("model=dcgan", "data=stacked_mnist5k", *small, "protocol.stacked_modes.num_fake=60") == 0
    with (run_folder() / "metrics.csv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["name"].startswith("metrics/")]
    measured = [(row["images_seen"], row["name"]) for row in rows]
    assert measured == [(clock, name) for clock in ("64", "128") for name in ("metrics/modes", "metrics/reverse_kl")]
    assert all(row["protocol"].startswith("stacked_modes@") for row in rows)
    assert (run_folder() / "checkpoints/best.ckpt").exists()
