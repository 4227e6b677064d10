"""Real samples' statistics: found damaged they are computed anew; what cannot be kept or measured is said."""

import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, Splits
from ganforge.data.modality import Images
from ganforge.metrics.evaluation import Evaluation
from ganforge.metrics.extractors import DigitClassifier, Features, Loaded
from ganforge.metrics.frechet import FrechetDistance
from ganforge.metrics.manifold import PrecisionRecall
from ganforge.metrics.protocol import Protocol, Sampling
from ganforge.metrics.sources import Stored

CPU = torch.device("cpu")
METRICS = {"fid": FrechetDistance(), "precision_recall": PrecisionRecall()}
pytestmark = pytest.mark.filterwarnings("ignore::ganforge.metrics.inputs.FewSamplesWarning")


def noise(count, seed):
    images = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return Split(Column(images, Images(28, 1)))


REAL, JUDGED = Splits(noise(40, 0), noise(30, 1)), noise(30, 2)


def measure(cache, data=REAL, metrics=METRICS, extractor=None):
    protocol = Protocol("test", extractor or DigitClassifier(), metrics, 30, sampling=Sampling(batch_size=30))
    return Evaluation([protocol], data, Path(cache), CPU)(Stored(JUDGED))["test"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole cache's folder, and what is measured with it."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, measure(cache)


KINDS = st.sampled_from(["moments", "features"])


@given(KINDS, st.floats(0, 1, exclude_max=True), st.integers(1, 255), st.booleans())
def test_damage_anywhere_changes_no_value(whole, kind, share, change, is_cut):
    cache, expected = whole
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(cache, place, dirs_exist_ok=True)
        (path,) = Path(place).glob(f"real/*/{kind}.safetensors")
        content, at = bytearray(path.read_bytes()), int(share * path.stat().st_size)
        content[at] ^= change
        path.write_bytes(content[:at] if is_cut else content)
        assert measure(place) == expected
        assert measure(place) == expected  # and is whole again


def replaced(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors["products"].fill_(float("nan")),
        lambda tensors: tensors.pop("total"),
        lambda tensors: tensors.update(total=tensors["total"][:5]),
        lambda tensors: tensors.update(count=torch.tensor(7)),
        lambda tensors: None,  # written by another program, or by ganforge before there were checksums
    ],
    ids=["nan", "wrong keys", "short", "another count", "no checksum"],
)
def test_what_heals_is_said(whole, change, tmp_path, caplog):
    caplog.set_level("INFO")
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    (path,) = tmp_path.glob("real/*/moments.safetensors")
    replaced(path, change)
    assert measure(tmp_path) == whole[1]
    (message,) = caplog.messages
    assert (
        message
        == f"Real images' statistics in '{path}' are damaged (not as they were written): they are computed anew."
    )
    caplog.clear()
    assert measure(tmp_path) == whole[1]
    assert caplog.messages == []


def test_a_file_does_not_stand_for_another(whole, tmp_path):
    other = Splits(noise(40, 5), noise(30, 6))
    expected = measure(tmp_path / "b", other)
    shutil.copytree(whole[0], tmp_path / "a")
    (source,) = (tmp_path / "a" / "real").iterdir()
    (target,) = (tmp_path / "b" / "real").iterdir()
    for file in source.glob("*.safetensors"):
        shutil.copy(file, target / file.name)
    assert measure(tmp_path / "b", other) == expected


class Broken(DigitClassifier):
    """An extractor whose weights are damaged."""

    def load(self):
        class Module(nn.Module):
            def forward(self, images):
                return Features(torch.full((len(images), 4), float("nan")), torch.zeros(len(images), 10))

        return Loaded(Module(), 4, "broken", 10)


def test_what_is_not_finite_is_not_kept(tmp_path):
    with pytest.raises(GanforgeError, match="real images' features are not finite: the extractor's weights"):
        measure(tmp_path, extractor=Broken())
    assert list(tmp_path.glob("real/*/*.safetensors")) == []


@pytest.mark.parametrize("count", [0, 1])
def test_the_spread_of_fewer_than_two_is_refused_before_sampling(count, tmp_path):
    few = Splits(noise(count, 0), noise(3, 1))
    protocol = Protocol("test", DigitClassifier(), {"fid": FrechetDistance()}, 30, sampling=Sampling(batch_size=30))
    with pytest.raises(GanforgeError, match=rf"the train split holds {count}: give a dataset of more images"):
        Evaluation([protocol], few, tmp_path, CPU)


def test_a_lock_that_is_a_folder(tmp_path, whole):
    (folder,) = (whole[0] / "real").iterdir()
    (tmp_path / "real" / folder.name / ".lock").mkdir(parents=True)
    with pytest.raises(GanforgeError, match=r"\.lock' is a folder"):
        measure(tmp_path)
