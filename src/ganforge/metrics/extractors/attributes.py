"""The shipped classifiers of what captions state: scenes of two shapes, and robots."""

from importlib.resources import files
from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.metrics.captions import KINDS
from ganforge.metrics.extractors.base import Extractor, InParts, Loaded, as_colour, sha256

__all__ = ["AttributeClassifier", "AttributeNet"]

#: Pixels at which each kind is read.
SIDES = {"scenes": 32, "robots": 64}


class AttributeNet(nn.Module):
    """Convolutions and a linear layer, on whose 64 features a linear layer names every attribute.

    Args:
        side: height and width in pixels that images are resized to (antialiased bilinear), a multiple of 8.
        outputs: values of all attributes together.
        width: channels of the first layer.
    """

    def __init__(self, side: int, outputs: int, width: int = 16) -> None:
        super().__init__()
        self.side = side
        stages: list[nn.Module] = []
        inputs = 3
        for stage in range((side // 4).bit_length() - 1):
            channels = width * min(stage + 1, 3)
            stages += [nn.Conv2d(inputs, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)]
            inputs = channels
        self.convolutions = nn.Sequential(*stages, nn.Flatten())
        self.hidden = nn.Sequential(nn.Dropout(0.1), nn.Linear(inputs * 16, 64), nn.ReLU())
        self.classes = nn.Linear(64, outputs)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``(n, c, h, w)`` uint8 images of any size, 1 or 3 channels, to 64 features and the values' logits."""
        pixels = as_colour(images).float() / 127.5 - 1
        if pixels.shape[2:] != (self.side, self.side):
            pixels = F.interpolate(pixels, (self.side, self.side), mode="bilinear", antialias=True, align_corners=False)
        features = self.hidden(self.convolutions(pixels))
        return features, self.classes(features)


class AttributeClassifier(Extractor):
    """Names the attributes that captions state, from the picture; trained by ``scripts/train_attributes.py``.

    Its weights ship with ganforge; the file's metadata states the accuracy on the dataset's held-out pictures, none of
    which it was trained on. Logits are those of each attribute's values, one attribute after another.

    Args:
        kind: of captions, out of :data:`~ganforge.metrics.captions.KINDS`.
    """

    def __init__(self, kind: Literal["scenes", "robots"] = "scenes") -> None:
        if kind not in KINDS:
            raise GanforgeError(f"protocol: extractor.kind must be one of {', '.join(KINDS)}, got '{kind}'.")
        self.kind = kind
        self.name, self.resize = f"attributes_{kind}", f"bilinear-antialias-{SIDES[kind]}"

    def load(self) -> Loaded:
        """See :class:`Extractor`."""
        from safetensors.torch import load_file

        path = Path(str(files("ganforge.metrics") / f"attributes_{self.kind}.safetensors"))
        if not path.exists():
            raise GanforgeError(
                f"The classifier's weights are missing at '{path}': reinstall ganforge, or make them with "
                f"python scripts/train_attributes.py {self.kind}."
            )
        outputs = sum(KINDS[self.kind].sizes)
        network = AttributeNet(SIDES[self.kind], outputs)
        kept = load_file(path)
        network.load_state_dict({name: value.to(network.state_dict()[name].dtype) for name, value in kept.items()})
        module = InParts(network.eval(), cpu_size=64).eval().requires_grad_(False)
        return Loaded(module, 64, sha256(path)[:16], outputs)
