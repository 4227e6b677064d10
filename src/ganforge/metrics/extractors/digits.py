"""The shipped digit classifier."""

from importlib.resources import files
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.metrics.extractors.base import Extractor, Features, Loaded, require_grey_or_colour, sha256

__all__ = ["DigitClassifier", "LeNet", "StackedDigitClassifier"]


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
        require_grey_or_colour(images)
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
        return Loaded(module.eval().requires_grad_(False), 84, sha256(path)[:16], 10)


class StackedDigitClassifier(DigitClassifier):
    """The digit classifier on each of three channels, for Stacked-MNIST (Metz et al. 2017).

    Features are the channels' 84 each; logit ``100 a + 10 b + c`` is the log-probability of digits ``a``, ``b``, ``c``.
    """

    name = "lenet_mnist_stacked"

    def load(self) -> Loaded:
        """See :class:`Extractor`."""
        loaded = super().load()
        return Loaded(_Stacked(loaded.module).eval(), 3 * loaded.dimensions, loaded.weights, loaded.classes**3)


class _Stacked(nn.Module):
    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Features:
        if images.shape[1] != 3:
            raise GanforgeError(
                "protocol=stacked_modes reads three channels of digits: use data=stacked_mnist5k or data=stacked_mnist."
            )
        features, logits = self.classifier(images.flatten(0, 1)[:, None])
        first, second, third = logits.log_softmax(1).unflatten(0, (-1, 3)).unbind(1)
        triples = first[:, :, None, None] + second[:, None, :, None] + third[:, None, None, :]
        return Features(features.unflatten(0, (-1, 3)).flatten(1), triples.flatten(1))
