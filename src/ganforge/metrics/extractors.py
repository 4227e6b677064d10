"""Feature extractors: uint8 images to features for Fréchet distances and logits for the Inception Score."""

import hashlib
import os
from abc import ABC, abstractmethod
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.errors import GanforgeError

__all__ = ["DigitClassifier", "Extractor", "Features", "Inception", "Loaded", "sha256"]

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"


class Features(NamedTuple):
    """What an extractor makes of ``n`` images: ``(n, d)`` features and ``(n, classes)`` logits, float32."""

    features: Tensor
    logits: Tensor


class Loaded(NamedTuple):
    """An extractor ready for use.

    Attributes:
        module: maps ``(n, c, h, w)`` uint8 images to :class:`Features`; in evaluation mode, frozen.
        dimensions: number of features.
        weights: the first 16 hexadecimal digits of the weight file's sha256.
    """

    module: nn.Module
    dimensions: int
    weights: str


class Extractor(ABC):
    """Names a network and its preprocessing; loads it when asked."""

    #: Short name that appears in protocols.
    name: str
    #: The resize kernel between images and the network, as protocols report it.
    resize: str

    @abstractmethod
    def load(self) -> Loaded:
        """Load the weights.

        Raises:
            GanforgeError: if they are not there or not what they should be.
        """


def sha256(path: Path) -> str:
    """Return a file's sha256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class LeNet(nn.Module):
    """LeNet-5's shape (LeCun et al. 1998) with ReLU, max pooling and dropout, on 32 x 32 grey images.

    Args:
        features: width of the layer before the classes, whose activations are the features.
    """

    def __init__(self, features: int = 84) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 12, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 32, 5), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.hidden = nn.Sequential(nn.Flatten(), nn.Dropout(0.4), nn.Linear(800, features), nn.ReLU())
        self.classes = nn.Sequential(nn.Dropout(0.2), nn.Linear(features, 10))

    def forward(self, images: Tensor) -> Features:
        """Map ``(n, c, h, w)`` uint8 images of any size, 1 or 3 channels, to 84 features and 10 logits.

        Colour is averaged to grey; 28 x 28 is padded to 32 x 32 with black, other sizes are resized (antialiased
        bilinear).
        """
        grey = images.float().mean(1, keepdim=True).div(255)
        if grey.shape[-2:] == (28, 28):
            grey = F.pad(grey, (2, 2, 2, 2))
        elif grey.shape[-2:] != (32, 32):
            grey = F.interpolate(grey, (32, 32), mode="bilinear", antialias=True, align_corners=False)
        features = self.hidden(self.convolutions(grey * 2 - 1))
        return Features(features, self.classes(features))


class DigitClassifier(Extractor):
    """A small digit classifier trained on 4,500 of mnist5k's digits by ``scripts/train_digit_classifier.py``.

    Its weights ship with ganforge; the file's metadata states the held-out accuracy. Values compare digit models with
    one another; they are not comparable with Inception's.
    """

    name = "lenet_mnist"
    resize = "bilinear-antialias-32"

    def load(self) -> Loaded:
        """See :class:`Extractor`."""
        from safetensors.torch import load_file

        path = Path(str(files("ganforge.metrics") / "lenet_mnist.safetensors"))
        if not path.exists():
            raise GanforgeError(
                f"The digit classifier's weights are missing at '{path}': reinstall ganforge, or make them with "
                "python scripts/train_digit_classifier.py."
            )
        module = LeNet()
        module.load_state_dict(load_file(path))
        return Loaded(module.eval().requires_grad_(False), 84, sha256(path)[:16])


class _InceptionFeatures(nn.Module):
    """torch-fidelity's Inception on images of 1 or 3 channels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Features:
        with torch.autocast(images.device.type, enabled=False):
            # In parts: at 299 x 299 pixels a whole batch of samples would take gigabytes of activations.
            parts = [self.network(part.expand(-1, 3, -1, -1).contiguous()) for part in images.split(64)]
        return Features(*(torch.cat(field) for field in zip(*parts, strict=True)))


class Inception(Extractor):
    """The Inception network of published FID and IS: torch-fidelity's, with TensorFlow 1's bilinear resize.

    Args:
        weights: the file; ``None`` looks in ``$TORCH_HOME/hub/checkpoints``.
        download: fetch the file from torch-fidelity's release page if it is not there.
    """

    name = "inception-v3-compat"
    resize = "bilinear-tf1-299"

    def __init__(self, weights: str | None = None, *, download: bool = False) -> None:
        self.weights, self.download = weights, download

    def _find(self) -> Path:
        if self.weights is not None:
            path = Path(self.weights).expanduser()
            if not path.is_file():
                raise GanforgeError(
                    f"metrics: there is no weight file at '{path}'; give another path, or null to search."
                )
            return path
        home = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")).expanduser()
        path = home / "hub" / "checkpoints" / INCEPTION_FILE
        if not path.is_file():
            if not self.download:
                raise GanforgeError(
                    f"FID and IS need Inception's weights: put {INCEPTION_FILE} (torch-fidelity's release v0.2.0) into "
                    f"'{path.parent}', or add download=true to fetch it, or choose metrics=none."
                )
            _download(path)
        return path

    def load(self) -> Loaded:
        """See :class:`Extractor`."""
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        path = self._find()
        try:
            # torch-fidelity unpickles freely; a file that passes here holds tensors alone and cannot run code there.
            torch.load(path, map_location="cpu", weights_only=True)
            network = FeatureExtractorInceptionV3(
                "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
            )
        except Exception as error:
            raise GanforgeError(
                f"'{path}' is not torch-fidelity's Inception weights ({str(error).splitlines()[0][:120]}): "
                f"replace it by {INCEPTION_FILE}."
            ) from error
        return Loaded(_InceptionFeatures(network).eval().requires_grad_(False), 2048, sha256(path)[:16])


def _download(path: Path) -> None:
    """Fetch Inception's weights, checking the hash that their name carries."""
    from torch.hub import download_url_to_file
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix="6726825d")
    except (OSError, RuntimeError) as error:
        raise GanforgeError(
            f"Inception's weights could not be downloaded ({error}): copy {INCEPTION_FILE} into '{path.parent}' by "
            f"hand."
        ) from error
