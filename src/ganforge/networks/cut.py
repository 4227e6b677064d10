"""CUT's generator with the heads of its contrastive loss (Park et al. 2020, arXiv:2007.15651, section 3)."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ganforge.core.annotations import Count
from ganforge.core.errors import GanforgeError
from ganforge.data.images import ImageSize
from ganforge.networks import cyclegan
from ganforge.networks.patch import initialise_xavier

__all__ = ["Generator"]


class Generator(cyclegan.Generator):
    """CycleGAN's generator with blurred halvings, whose encoder's maps are projected for the patch loss.

    The projection, two linear layers a map, is built from the maps' known channels; the authors' code builds it at the
    first batch. It is trained with the generator, by the same optimizer. All weights are Xavier-normal with gain 0.02.

    Args:
        image_size, channels, source_channels, width, blocks: see :class:`ganforge.networks.cyclegan.Generator`.
        maps: which layers' outputs are compared; 0 is the source itself with its reflected border.
        embedding: length of a place's embedding.

    Raises:
        GanforgeError: if a map is not one of the encoder's.
    """

    def __init__(
        self,
        image_size: ImageSize,
        channels: Count = 3,
        source_channels: Count = 3,
        width: Count = 64,
        blocks: Count | None = None,
        maps: Sequence[int] = (0, 4, 8, 12, 16),
        embedding: Count = 256,
    ) -> None:
        super().__init__(image_size, channels, source_channels, width, blocks, antialias=True)
        if channels != source_channels:
            raise GanforgeError(
                f"network=cut compares patches of source and output, which have {source_channels} and {channels} "
                "channels: choose data alike on both sides, or model=cyclegan."
            )
        if not maps or min(maps) < 0 or max(maps) >= self.encoder_length:
            raise GanforgeError(
                f"network.maps must be layers of the encoder, from 0 to {self.encoder_length - 1}, got {list(maps)}."
            )
        self.maps = sorted(maps)
        self.projection = nn.ModuleList(
            nn.Sequential(nn.Linear(features, embedding), nn.ReLU(), nn.Linear(embedding, embedding))
            for features in self._features(source_channels)
        )
        self.apply(initialise_xavier)

    def _features(self, source_channels: int) -> list[int]:
        """Return the channels of each of the maps."""
        found, features = [], source_channels
        for layer in self.layers[: self.encoder_length]:
            features = layer.out_channels if isinstance(layer, nn.Conv2d) else features
            found.append(features)
        return [found[number] for number in self.maps]

    def patches(self, pictures: Tensor) -> list[Tensor]:
        """Return the encoder's maps of pictures, ``(n, d, h, w)`` each."""
        found = []
        for number, layer in enumerate(self.layers[: self.maps[-1] + 1]):
            pictures = layer(pictures)
            if number in self.maps:
                found.append(pictures)
        return found

    def project(self, maps: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Return ``(n, p, embedding)`` unit vectors of ``p`` places of each map.

        Args:
            maps: what :meth:`patches` gave.
            places: ``(p,)`` positions in each flattened map.
        """
        chosen = [each.flatten(2)[:, :, at].transpose(1, 2) for each, at in zip(maps, places, strict=True)]
        return [F.normalize(head(rows), dim=2) for head, rows in zip(self.projection, chosen, strict=True)]
