"""One pass for several protocols, the real side's cache, equal values on any number of ranks, refusals."""

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from comparisons import close_to

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Split, Splits, labelled
from ganforge.data.embedded import Mnist5k
from ganforge.data.modality import Images
from ganforge.data.module import ImageData
from ganforge.metrics.classes import IntraClassFrechet
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import DigitClassifier
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.inception_score import InceptionScore
from ganforge.metrics.manifold import PrecisionRecall
from ganforge.metrics.memorisation import NearestTraining
from ganforge.metrics.protocol import Protocol, Sampling
from ganforge.metrics.sources import Drawn, Stored
from quick import PATIENCE

CPU = torch.device("cpu")
FID = {"fid": FrechetDistance()}
BOTH = {**FID, "inception_score": InceptionScore(splits=2)}
pytestmark = pytest.mark.filterwarnings("ignore::ganforge.metrics.inputs.FewSamplesWarning")


def protocol(name="test", size=20, **options):
    sampling = options.pop("sampling", Sampling(batch_size=size))
    return Protocol(
        **{
            "name": name,
            "extractor": DigitClassifier(),
            "num_fake": 90,
            "metrics": BOTH,
            "sampling": sampling,
            **options,
        }
    )


def noise(count, seed=0):
    return torch.randint(0, 256, (count, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def column(images):
    return Column(images, Images(images.shape[2:], images.shape[1]))


def splits(count=200):
    parts = noise(count), noise(50, 1)
    return Splits(*(labelled(column(images), torch.arange(len(images)) % 10) for images in parts))


class Noise:
    target = order = path_pairs = None
    """A model that draws noise; counts its batches."""

    def __init__(self, labels=False, value=None):
        self.drawn, self.labels, self.value = [], labels, value

    def beside(self, sampling):
        return frozenset()

    def limit(self):
        return None

    def session(self, sampling):
        return nullcontext()

    def batch(self, number, sampling):
        self.drawn.append((number, sampling.seed))
        generator = torch_generator(sampling.seed, number)
        images = torch.randint(0, 256, (sampling.batch_size, 1, 32, 32), dtype=torch.uint8, generator=generator)
        labels = torch.arange(sampling.batch_size) % 10 if self.labels else None
        return Drawn(images, labels, self.value is None)


@pytest.fixture(scope="module")
def digits():
    return ImageData(Mnist5k(), image_size=32, channels=1, margin="pad", batch_size=1).splits()


def test_real_images_against_noise(digits, tmp_path):
    evaluation = Evaluation([protocol(num_fake=500)], digits, tmp_path, CPU)
    real = evaluation(Stored(digits.heldout))["test"]
    fake = evaluation(Noise())["test"]
    assert real["fid"] < 30
    assert fake["fid"] > 300
    assert fake["inception_score"] < 3
    assert real["inception_score"] > 9


def test_a_set_against_itself_is_at_distance_zero(digits, tmp_path):
    whole = protocol(num_fake=4500, metrics=FID)
    value = Evaluation([whole], digits, tmp_path, CPU)(Stored(digits.train))["test"]["fid"]
    assert value == pytest.approx(0, abs=1e-4)


def test_protocols_that_sample_alike_share_the_samples(tmp_path):
    protocols = [
        protocol("a"),
        protocol("b", num_fake=50, metrics=FID),
        protocol("c", sampling=Sampling(batch_size=20, seed=7)),
    ]
    source = Noise()
    together = Evaluation(protocols, splits(), tmp_path, CPU)(source)
    assert source.drawn == [(number, seed) for seed in (0, 7) for number in range(5)]
    for one in protocols:
        # The last of b's batches is smaller alone: float32 features of the same images differ in their last bits.
        alone = Evaluation([one], splits(), tmp_path, CPU)(Noise())[one.name]
        assert alone == close_to(together[one.name])
    repeated = Evaluation(protocols[:1], splits(), tmp_path, CPU)(Noise(), repeat=7)["a"]
    assert repeated == close_to(together["c"])


@pytest.mark.parametrize("world", [2, 3, 7])
def test_values_do_not_depend_on_the_number_of_ranks(world, tmp_path, monkeypatch):
    """Ranks as threads: gathering is a meeting at a barrier. 90 images in batches of 20 do not divide."""
    metrics = {**BOTH, "precision_recall": PrecisionRecall(), "intra": IntraClassFrechet()}
    expected = Evaluation([protocol(metrics=metrics)], splits(), tmp_path, CPU)(Noise(labels=True))["test"]
    local, barrier, shared = threading.local(), threading.Barrier(world, timeout=PATIENCE), {}
    found = [{} for _ in range(world)]

    def gather(rows):
        shared[local.rank] = rows
        barrier.wait()
        everyone = [shared[rank] for rank in range(world)]
        barrier.wait()
        return everyone

    monkeypatch.setattr("ganforge.metrics.evaluation.world_size", lambda: getattr(local, "world", 1))
    monkeypatch.setattr("ganforge.metrics.evaluation.rank", lambda: local.rank)
    monkeypatch.setattr("ganforge.metrics.shares.gather_rows", gather)

    def work(rank):
        local.rank, local.world = rank, world
        found[rank] = Evaluation([protocol(metrics=metrics)], splits(), tmp_path, CPU)(Noise(labels=True))["test"]

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0].keys() == expected.keys()
    for values in found:
        assert values == close_to(expected)


def counted(monkeypatch):
    calls = []
    original = DigitClassifier.load

    def load(self):
        loaded = original(self)
        loaded.module.register_forward_hook(lambda *_: calls.append(1))
        return loaded

    monkeypatch.setattr(DigitClassifier, "load", load)
    return calls


def test_real_side_is_kept_by_content_and_repaired(tmp_path, monkeypatch):
    calls = counted(monkeypatch)
    metrics = {**FID, "precision_recall": PrecisionRecall()}
    first = Evaluation([protocol(metrics=metrics)], splits(), tmp_path, CPU)(Noise())
    cost = len(calls)
    calls.clear()
    again = Evaluation([protocol(metrics=metrics)], splits(), tmp_path, CPU)(Noise())
    assert again == close_to(first)
    assert len(calls) < cost
    assert len(calls) == 5  # the samples' batches alone
    for stored in tmp_path.rglob("*.safetensors"):
        stored.write_bytes(b"half a file")
    assert Evaluation([protocol(metrics=metrics)], splits(), tmp_path, CPU)(Noise()) == close_to(first)
    changed = splits()
    changed.train.data.values[0, 0, 0, 0] += 1
    assert len(list((tmp_path / "real").iterdir())) == 1
    Evaluation([protocol()], changed, tmp_path, CPU)
    Evaluation([protocol(num_real=100)], splits(), tmp_path, CPU)
    Evaluation([protocol(split="heldout")], splits(), tmp_path, CPU)
    Evaluation([protocol(split="full")], splits(), tmp_path, CPU)
    assert len(list((tmp_path / "real").iterdir())) == 5


def test_a_disk_that_cannot_be_written_costs_time_alone(tmp_path, monkeypatch, caplog):
    expected = Evaluation([protocol()], splits(), tmp_path / "a", CPU)(Noise())
    monkeypatch.setattr("safetensors.torch.save_file", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert Evaluation([protocol()], splits(), tmp_path / "b", CPU)(Noise()) == close_to(expected)
    assert "could not be kept" in caplog.text


@pytest.mark.parametrize(
    ("options", "source", "message"),
    [
        ({"num_real": 9999}, Noise(), r"num_real=9,999 and the train split holds 200"),
        ({}, Noise(value="infinite"), r"not finite.*lower learning rate"),
        ({"num_fake": 100}, Stored(Split(column(noise(60)))), r"wants 100 images and there are 60.*num_fake=60"),
        ({"metrics": {"intra": IntraClassFrechet()}}, Noise(), r"measures intra, which needs classes"),
    ],
)
def test_refusals(options, source, message, tmp_path):
    with pytest.raises(GanforgeError, match=message):
        Evaluation([protocol(**options)], splits(), tmp_path, CPU)(source)


def test_names_that_clash(tmp_path):
    with pytest.raises(GanforgeError, match="same name"):
        Evaluation([protocol(), protocol()], splits(), tmp_path, CPU)
    twice = protocol(metrics={"a": FrechetDistance(), "b": FrechetDistance()})
    with pytest.raises(GanforgeError, match="another metric gives too"):
        Evaluation([twice], splits(), tmp_path, CPU)(Noise())


def test_features_that_are_not_finite(tmp_path):
    evaluation = Evaluation([protocol()], splits(), tmp_path, CPU)
    evaluation.extractor("test").classes[1].bias.fill_(float("nan"))
    with pytest.raises(GanforgeError, match="not finite"):
        evaluation(Noise())


def test_two_processes_that_ask_at_once_compute_once(tmp_path, monkeypatch):
    calls = counted(monkeypatch)
    threads = [
        threading.Thread(target=Evaluation, args=([protocol(metrics=FID)], splits(), Path(tmp_path), CPU))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def sorted_by_class(digits):
    return Splits(digits.train.take(digits.train.label.argsort(stable=True)), digits.heldout)


def test_a_part_of_a_sorted_set_is_like_the_whole(digits, tmp_path):
    """Of digits sorted by class the first 400 are all noughts."""
    data = sorted_by_class(digits)
    few = Evaluation([protocol(num_real=400, num_fake=400, metrics=FID)], data, tmp_path, CPU)
    assert few(Stored(digits.heldout))["test"]["fid"] < 40
    assert len(few.real["test", None].split.label.unique()) == 10
    few = Evaluation([protocol(num_fake=400, metrics=FID)], digits, tmp_path, CPU)
    assert few(Stored(data.train))["test"]["fid"] < 20


def test_a_stored_set_taken_whole_keeps_its_order(digits, tmp_path):
    """The Inception Score's splits are of that order, and published scores of datasets are."""
    part = digits.train.take(torch.arange(90))
    evaluation = Evaluation([protocol(metrics=FID)], digits, tmp_path, CPU)
    seen = []
    evaluation(Stored(part), on_comparison=lambda _protocol, _prefix, comparison: seen.append(comparison))
    expected = evaluation.extractor("test")(part.data.read()).features
    torch.testing.assert_close(seen[0].fake_features, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(seen[0].fake_labels, part.label)


def test_only_a_part_of_the_real_images_is_reported_in_the_tag(tmp_path):
    whole, also_whole, part = (
        Evaluation([protocol(num_real=count, metrics=FID)], splits(), tmp_path, CPU) for count in (None, 200, 100)
    )
    assert "real_rows" not in whole.describe("test")
    assert "real_rows" not in also_whole.describe("test")
    assert part.describe("test")["real_rows"] == "seeded permutation"
    assert part.tags["test"] != protocol(num_real=100, metrics=FID).tag(DigitClassifier().load().weights)


def test_the_shipped_protocol_keeps_its_tag(tmp_path):
    """Published values bear it."""
    from hydra.utils import instantiate

    from ganforge.core.config import compose

    digits_protocol = instantiate(compose(["protocol=digits"]).protocol.digits, _convert_="all")
    assert digits_protocol.tag(digits_protocol.extractor.load().weights) == "digits@bc6215f5"


@pytest.mark.parametrize("alike", [lambda split: split, lambda split: Split(column(split.data.values.clone()))])
def test_one_set_is_no_held_out_one(alike, tmp_path):
    split = Split(column(noise(200)))
    data = Splits(split, alike(split))
    with pytest.raises(GanforgeError, match=r"measures nearest, which needs images the model has never seen.*one set"):
        Evaluation([protocol(metrics={"nearest": NearestTraining()})], data, tmp_path, CPU)
    full = Evaluation([protocol(split="full", metrics=FID)], data, tmp_path, CPU)
    assert len(full.real["test", None].split) == 200


def test_a_cache_that_cannot_be_made_costs_time_alone(tmp_path, caplog):
    expected = Evaluation([protocol()], splits(), tmp_path / "a", CPU)(Noise())
    (tmp_path / "file").write_text("")
    assert Evaluation([protocol()], splits(), tmp_path / "file" / "cache", CPU)(Noise()) == close_to(expected)
    assert "name another folder with paths.cache" in caplog.text


def test_what_is_kept_is_read_without_a_lock(tmp_path, monkeypatch):
    expected = Evaluation([protocol()], splits(), tmp_path, CPU)(Noise())
    monkeypatch.setattr("ganforge.metrics.real.lock", lambda _: pytest.fail("locked"))
    assert Evaluation([protocol()], splits(), tmp_path, CPU)(Noise()) == close_to(expected)
