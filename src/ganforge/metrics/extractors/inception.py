"""The Inception network of published scores, with each of the resizes that published scores were made with."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.metrics.extractors.base import Extractor, InParts, Loaded, as_colour, sha256, weight_file

__all__ = ["INCEPTION_FILE", "Inception"]

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
SIDE = 299  # pixels


def resize_tf1(images: Tensor) -> Tensor:
    """Resize as TensorFlow 1 did, bilinear with corners misplaced and no antialiasing: the kernel of published FIDs."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    resized: Tensor = interpolate_bilinear_2d_like_tensorflow1x(images.float(), (SIDE, SIDE), align_corners=False)
    return resized


def resize_clean(images: Tensor) -> Tensor:
    """Resize as clean-fid does (Parmar et al. 2022): Pillow's bicubic, antialiased, on floats, clipped, not rounded."""
    side = (SIDE, SIDE)
    return F.interpolate(images.float(), side, mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)


def resize_antialiased(images: Tensor) -> Tensor:
    """Resize as torchmetrics does since its version 1.8: bilinear, antialiased."""
    return F.interpolate(images.float(), (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)


RESIZES = {
    "bilinear-tf1": resize_tf1,
    "bicubic-antialias": resize_clean,
    "bilinear-antialias": resize_antialiased,
}


class Inception(Extractor):
    """The Inception network of published FID and IS, in torch-fidelity's port of TensorFlow's weights.

    The weights and the arithmetic are torch-fidelity's; batch norms are folded into their convolutions, and tensors are
    laid out channels-last: the same features to rounding, sooner.

    Args:
        weights: the file; ``None`` searches ``$TORCH_HOME/hub/checkpoints``.
        download: fetch the file from torch-fidelity's release page if it is not there.
        resize: ``bilinear-tf1`` (published FID, IS, KID), ``bicubic-antialias`` (clean-fid) or ``bilinear-antialias``
            (torchmetrics' default since 1.8).
    """

    name = "inception-v3-compat"

    def __init__(self, weights: str | None = None, *, download: bool = False, resize: str = "bilinear-tf1") -> None:
        if resize not in RESIZES:
            raise GanforgeError(f"protocol: extractor.resize must be one of {', '.join(RESIZES)}; got '{resize}'.")
        self.weights, self.download = weights, download
        self.kernel, self.resize = RESIZES[resize], f"{resize}-{SIDE}"

    def _find(self) -> Path:
        missing = (
            f"FID and IS need Inception's weights: put {INCEPTION_FILE} (torch-fidelity's release v0.2.0, sha256 "
            "6726825d...) into '{folder}', or add download=true to fetch it, or choose protocol=offline (a smaller "
            "network's features, which come with a package), or protocol=[] for none."
        )
        try:
            return weight_file(self.weights, INCEPTION_FILE, missing)
        except GanforgeError:
            if not self.download or self.weights is not None:
                raise
        return _download()

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
        module = InParts(_Folded(network.eval(), self.kernel)).eval().requires_grad_(False)
        return Loaded(module, 2048, sha256(path)[:16], 1008)


class _Folded(nn.Module):
    """torch-fidelity's network from resized pixels to features and unbiased logits, batch norms folded."""

    def __init__(self, network: nn.Module, resize: Any) -> None:
        super().__init__()
        for block in cast("Iterable[object]", network.modules()):
            if hasattr(block, "conv") and hasattr(block, "bn"):
                block.conv = nn.utils.fusion.fuse_conv_bn_eval(block.conv, block.bn)
                block.bn = nn.Identity()
        self.resize = resize
        self.body = nn.Sequential(*(child for name, child in network.named_children() if name != "fc"))
        self.body.to(memory_format=torch.channels_last)
        self.classes = nn.Linear(2048, 1008, bias=False)
        self.classes.weight = network.fc.weight  # type: ignore[assignment, union-attr]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = (self.resize(as_colour(images)) - 128) / 128
        features = self.body(pixels.contiguous(memory_format=torch.channels_last)).flatten(1)
        return features, self.classes(features)


def _download() -> Path:
    """Fetch Inception's weights, checking the hash that their name carries."""
    from torch.hub import download_url_to_file
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    from ganforge.metrics.extractors.base import hub_folder

    path = hub_folder() / INCEPTION_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(URL_INCEPTION_V3, str(path), hash_prefix="6726825d")
    except (OSError, RuntimeError) as error:
        raise GanforgeError(
            f"Inception's weights could not be downloaded ({error}): copy {INCEPTION_FILE} into '{path.parent}' by "
            f"hand."
        ) from error
    return path
