"""DINOv2, whose Fréchet distance agrees with human ratings better than Inception's (Stein et al. 2023)."""

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install
from ganforge.metrics.extractors.base import Extractor, InParts, Loaded, as_colour, sha256, weight_file

__all__ = ["DINOV2_FILE", "DinoV2"]

DINOV2_FILE = "dinov2_vitl14_pretrain.pth"
SIDE = 224  # pixels: 16 patches of 14


class DinoV2(Extractor):
    """The class token of DINOv2's ViT-L/14 (Oquab et al. 2023): 1,024 features, no logits.

    The network is timm's, with Meta's weights; images are resized to 224 pixels (bicubic, antialiased) and normalised
    by ImageNet's mean and deviation, as in Stein et al. 2023's dgm-eval. Position embeddings are resampled from 37 to
    16 patches by timm; Meta's code shifts the grid by a tenth of a patch first, so features differ slightly.

    Args:
        weights: Meta's file; ``None`` searches for ``dinov2_vitl14_pretrain.pth`` in ``$TORCH_HOME/hub/checkpoints``.
        architecture: timm's name of the network that the file belongs to.
    """

    resize = f"bicubic-antialias-{SIDE}"

    def __init__(self, weights: str | None = None, architecture: str = "vit_large_patch14_dinov2") -> None:
        if not architecture.replace("_", "").isalnum():  # timm would fetch hf-hub:NAME, and read local-dir:PATH
            raise GanforgeError(f"protocol: extractor.architecture must be a network of timm's, got '{architecture}'.")
        self.weights, self.architecture = weights, architecture
        self.name = architecture

    def load(self) -> Loaded:
        """See :class:`Extractor`."""
        if importlib.util.find_spec("timm") is None:
            raise GanforgeError(f"protocol=fd_dinov2 needs timm: {install('dinov2')}.")
        path = weight_file(
            self.weights,
            DINOV2_FILE,
            f"protocol=fd_dinov2 needs DINOv2's weights: put Meta's {DINOV2_FILE} into '{{folder}}', or give its path "
            "with protocol.fd_dinov2.extractor.weights=FILE.",
        )
        from timm import create_model
        from timm.models.vision_transformer import checkpoint_filter_fn

        network: Any = create_model(self.architecture, img_size=SIDE, num_classes=0)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            network.load_state_dict(checkpoint_filter_fn(state, network))
        except Exception as error:
            raise GanforgeError(
                f"'{path}' does not hold the weights of {self.architecture} "
                f"({str(error).splitlines()[-1].strip()[:120]}): replace it by Meta's {DINOV2_FILE}."
            ) from error
        module = InParts(_ClassToken(network.eval())).eval().requires_grad_(False)
        return Loaded(module, int(network.num_features), sha256(path)[:16], 0)


class _ClassToken(nn.Module):
    """The normalised class token of resized, normalised images."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = F.interpolate(
            as_colour(images).float(), (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False
        )
        pixels = (pixels.clamp(0, 255) / 255 - self.mean) / self.deviation
        token = self.network.forward_features(pixels)[:, 0]  # type: ignore[operator]
        return token, token[:, :0]
