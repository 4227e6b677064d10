"""Values against torchmetrics on the same features, protocols, the shipped classifier, missing weights."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from ganforge.data.arrays import ImageArray, Splits
from ganforge.data.embedded import Mnist5k
from ganforge.data.fit import fit
from ganforge.errors import GanforgeError
from ganforge.images import normalise
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import INCEPTION_FILE, DigitClassifier, Inception
from ganforge.metrics.protocol import Protocol
from ganforge.metrics.scores import Moments, cached_moments, frechet_distance, inception_score

CPU = torch.device("cpu")


def protocol(**options):
    return Protocol(
        **{"name": "test", "extractor": DigitClassifier(), "num_fake": 100, "inception_splits": 2, **options}
    )


def noise(count, seed=0):
    return torch.randint(0, 256, (count, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def splits(count=200):
    return Splits(ImageArray(noise(count)), ImageArray(noise(50, seed=1)))


def test_frechet_distance_of_gaussians_has_a_closed_form():
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    base = (base - base.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(base.T))).T
    scale, shift = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([1.0, 0.0, -2.0])
    real, fake = Moments.of(iter([base[:1500], base[1500:]])), base * scale + shift
    expected = shift.square().sum() + (1 - scale).square().sum()
    assert frechet_distance(real, fake) == pytest.approx(expected.item(), abs=1e-6)
    assert frechet_distance(real, base) == pytest.approx(0, abs=1e-6)


def test_inception_score_bounds_and_seed():
    certain = torch.eye(10).repeat(50, 1) * 30
    assert inception_score(certain, 1, seed=0)[0] == pytest.approx(10, rel=1e-4)
    assert inception_score(torch.zeros(100, 10), 5, seed=0) == pytest.approx((1, 0), abs=1e-5)
    logits = torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    assert inception_score(logits, 5, seed=1) == inception_score(logits, 5, seed=1)
    assert torch.equal(state, torch.get_rng_state())


def test_classifier_states_and_has_its_accuracy():
    loaded = DigitClassifier().load()
    path = Path(__import__("ganforge").__file__).parent / "metrics" / "lenet_mnist.safetensors"
    assert path.stat().st_size < 500_000
    with safe_open(path, "pt") as weights:
        stated = float(weights.metadata()["heldout_accuracy"])
    heldout = Mnist5k().load(28, 1).heldout
    measured = (loaded.module(heldout.images).logits.argmax(1) == heldout.labels).float().mean().item()
    assert measured >= 0.97
    assert measured == pytest.approx(stated, abs=1e-3)
    colour = fit(heldout, 32, 3, "pad")
    assert (loaded.module(colour.images).logits.argmax(1) == heldout.labels).float().mean() >= 0.97


def test_evaluation_of_real_images_and_of_noise(tmp_path):
    digits = Mnist5k().load(28, 1)
    data = Splits(fit(digits.train, 32, 1, "pad"), fit(digits.heldout, 32, 1, "pad"))
    evaluation = Evaluation(protocol(num_fake=500, inception_splits=1), data, tmp_path, CPU)
    heldout = normalise(torch.as_tensor(data.heldout.images))
    real = evaluation(lambda n, generator, ema: heldout[torch.randint(500, (n,), generator=generator)])
    fake = evaluation(lambda n, generator, ema: torch.rand(n, 1, 32, 32, generator=generator) * 2 - 1)
    assert real["fid"] < 30
    assert fake["fid"] > 300
    assert real["inception_score"] > 9
    assert fake["inception_score"] < 3


def test_equal_samples_for_any_batching_of_ranks(tmp_path, monkeypatch):
    def sample(n, generator, ema):
        return torch.rand(n, 1, 32, 32, generator=generator) * 2 - 1

    whole = Evaluation(protocol(num_fake=90), splits(), tmp_path, CPU, batch_size=20)
    expected = whole.features(sample)
    for world in (2, 3, 7):
        shares = []
        for rank in range(world):
            monkeypatch.setattr("ganforge.metrics.evaluation.world_size", lambda world=world: world)
            monkeypatch.setattr("ganforge.metrics.evaluation.rank", lambda rank=rank: rank)
            monkeypatch.setattr("ganforge.metrics.evaluation.gather_rows", shares.append)
            monkeypatch.setattr(Evaluation, "_in_order", lambda self, share: share)
            whole.features(sample)
        monkeypatch.undo()
        features, logits = shares[0::2], shares[1::2]
        torch.testing.assert_close(whole._in_order(features), expected.features, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(whole._in_order(logits), expected.logits, rtol=1e-6, atol=1e-6)


def test_statistics_are_cached_by_content_and_repaired(tmp_path):
    calls = []

    def batches():
        calls.append(1)
        yield torch.eye(3)

    first = cached_moments(tmp_path, "key", batches())
    again = cached_moments(tmp_path, "key", batches())
    assert len(calls) == 1
    torch.testing.assert_close(first.products, again.products)
    (tmp_path / "moments" / "key.safetensors").write_bytes(b"half a file")
    cached_moments(tmp_path, "key", batches())
    assert len(calls) == 2


def test_changed_images_change_the_key(tmp_path):
    Evaluation(protocol(), splits(), tmp_path, CPU)
    changed = splits()
    changed.train.images[0, 0, 0, 0] += 1
    Evaluation(protocol(), changed, tmp_path, CPU)
    assert len(list((tmp_path / "moments").glob("*.safetensors"))) == 2


def test_protocol_tag_changes_with_what_matters():
    changes = ({}, {"num_fake": 50}, {"seed": 1}, {"weights": "raw"}, {"split": "heldout"})
    tags = {protocol(**options).tag("w", 250) for options in changes}
    tags |= {protocol().tag("v", 250), protocol().tag("w", 100)}
    assert len(tags) == len(changes) + 2
    json.dumps(protocol().describe("w", 250))


@pytest.mark.parametrize(
    "options",
    [{"num_fake": 1}, {"split": "test"}, {"weights": "mean"}, {"inception_splits": 0}, {"num_real": 1}],
)
def test_impossible_protocols(options):
    with pytest.raises(GanforgeError, match=next(iter(options))):
        protocol(**options)


def test_too_few_real_images(tmp_path):
    with pytest.raises(GanforgeError, match=r"num_real=9999 but the train split holds 200"):
        Evaluation(protocol(num_real=9999), splits(), tmp_path, CPU)


def test_features_that_are_not_finite(tmp_path):
    evaluation = Evaluation(protocol(), splits(), tmp_path, CPU)
    evaluation._extractor.module.classes[1].bias.fill_(float("nan"))
    with pytest.raises(GanforgeError, match="not finite"):
        evaluation(lambda n, generator, ema: torch.zeros(n, 1, 32, 32))


@pytest.mark.slow
def test_inception_runs_from_a_weight_file(tmp_path, monkeypatch):
    """The published file cannot be had here; one of its layout with random weights takes the same way in."""
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    monkeypatch.setattr(fidelity, "load_state_dict_from_url", lambda url, progress: {})
    monkeypatch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
    names = ["2048", "logits_unbiased"]
    network = fidelity.FeatureExtractorInceptionV3("random", names, verbose=False)
    monkeypatch.undo()
    path = tmp_path / "hub" / "checkpoints" / INCEPTION_FILE
    path.parent.mkdir(parents=True)
    torch.save(network.state_dict(), path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    loaded = Inception().load()
    images = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)
    features, logits = loaded.module(images)
    expected = network(images.expand(-1, 3, -1, -1).contiguous())
    assert torch.equal(features, expected[0])
    assert torch.equal(logits, expected[1])
    assert features.shape == (3, loaded.dimensions)


def test_inception_weights_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(GanforgeError, match=rf"put {INCEPTION_FILE} .* into '{tmp_path}.*download=true"):
        Inception().load()
    with pytest.raises(GanforgeError, match="no weight file at"):
        Inception(str(tmp_path / "nothing.pth")).load()


def test_inception_refuses_a_pickle_that_runs_code(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"weight": Evil()}))
    with pytest.raises(GanforgeError, match="not torch-fidelity's Inception weights"):
        Inception(str(path)).load()
    assert not (tmp_path / "ran").exists()
