"""What a protocol's tag tells apart, what it refuses, and that every shipped one can be composed and built."""

import json
from dataclasses import replace

import pytest
from hydra.utils import instantiate

from ganforge.core.config import compose, config_folder
from ganforge.core.errors import GanforgeError
from ganforge.metrics.extractors import DigitClassifier, Inception
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.inception_score import InceptionScore
from ganforge.metrics.manifold import PrecisionRecall
from ganforge.metrics.protocol import Protocol, Sampling

SHIPPED = sorted(file.stem for file in (config_folder() / "protocol").glob("*.yaml"))


def protocol(**options):
    metrics = {"fid": FrechetDistance(), "inception_score": InceptionScore(splits=2)}
    return Protocol(**{"name": "test", "extractor": DigitClassifier(), "num_fake": 100, "metrics": metrics, **options})


def test_tag_changes_with_what_matters():
    base = protocol()
    changes = [
        {"num_fake": 50},
        {"num_real": 50},
        {"split": "heldout"},
        {"metrics": {"fid": FrechetDistance()}},
        {"metrics": {"fid": FrechetDistance(), "inception_score": InceptionScore(splits=5)}},
        {"extractor": Inception(resize="bicubic-antialias")},
        {"extractor": Inception()},
        *(
            {"sampling": Sampling(**{name: value})}
            for name, value in {
                "weights": "raw",
                "batch_norm": "standing",
                "truncation": 0.5,
                "seed": 1,
                "batch_size": 100,
            }.items()
        ),
    ]
    tags = {replace(base, **change).tag("w") for change in changes} | {base.tag("w"), base.tag("v")}
    assert len(tags) == len(changes) + 2
    assert base.tag("w") == protocol().tag("w")
    assert json.loads(json.dumps(base.describe("w"))) == base.describe("w")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_fake": 1}, "num_fake"),
        ({"num_real": 1}, "num_real"),
        ({"split": "test"}, "split"),
        ({"metrics": {}}, "no metrics"),
        ({"metrics": {"inception_score": InceptionScore(splits=101)}}, "101 splits"),
        ({"monitor": "psnr"}, "cannot choose checkpoints by monitor=psnr: its values are fid, inception_score"),
    ],
)
def test_impossible_protocols(options, message):
    with pytest.raises(GanforgeError, match=message):
        protocol(**options)


@pytest.mark.parametrize("options", [{"weights": "mean"}, {"batch_norm": "none"}, {"truncation": 0}, {"batch_size": 0}])
def test_impossible_sampling(options):
    with pytest.raises(GanforgeError, match=next(iter(options))):
        Sampling(**options)


def test_what_chooses_checkpoints_is_no_part_of_what_is_measured():
    assert protocol(monitor="inception_score").tag("w") == protocol().tag("w")


def test_needs_are_the_metrics_own():
    assert protocol().needs == {"real_moments"}
    assert "real_features" in protocol(metrics={"pr": PrecisionRecall()}).needs


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_protocol_builds_under_its_own_name(name):
    config = compose([f"protocol={name}"])
    assert list(config.protocol) == [name]
    assert instantiate(config.protocol[name]).name == name


def test_the_published_ones_are_there():
    wanted = "fid50k_train fid50k_full fid10k_test is50k_10splits is50k_1split kid50k pr50k clean_fid fd_dinov2 digits"
    assert {*wanted.split(), "offline", "smoke"} <= set(SHIPPED)


def test_a_whole_number_is_the_same_truncation():
    assert protocol(sampling=Sampling(truncation=1)).tag("w") == protocol(sampling=Sampling(truncation=1.0)).tag("w")
