"""Published datasets are opened by their names alone."""

import pytest

from ganforge.core.errors import GanforgeError
from ganforge.data.modality import Images
from ganforge.data.torchvision import READERS, TorchVision


@pytest.mark.parametrize("name", ["DatasetFolder", "ImageFolder", "utils", "FakeData", "mnist", "__doc__", "os"])
def test_only_known_readers_are_opened(name, tmp_path):
    with pytest.raises(GanforgeError, match=r"reads no '.*': set data\.source\.name to one of MNIST, FashionMNIST"):
        TorchVision(name, str(tmp_path)).load(Images(28, 1))


@pytest.mark.parametrize("name", READERS[:-1])
def test_nothing_but_a_split_is_passed_on(name, tmp_path):
    with pytest.raises(GanforgeError, match="selects a split by train= or split=, got loader"):
        TorchVision(name, str(tmp_path), train={"loader": print}).load(Images(28, 1))
