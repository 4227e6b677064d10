from typing import Any

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.networks import mlp
from ganforge.networks.packing import Packed


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_parameter_counts_by_hand() -> None:
    """Layers of mnist.yaml and of PacGAN's 2-D task; batch norm has scale and shift, no bias before."""
    assert count(mlp.Generator(28, 1)) == 100 * 1200 + 1200 + 1200**2 + 1200 + 1200 * 784 + 784
    assert count(mlp.Discriminator(28, 1)) == (784 + 1) * 1200 + (240 + 1) * 1200 + 241
    assert count(mlp.PointGenerator()) == 2 * 400 + 3 * 400**2 + 4 * 800 + 400 * 2 + 2
    assert count(mlp.PointDiscriminator()) == 3 * 1000 + 2 * 201 * 1000 + 201


@pytest.mark.parametrize(("image_size", "channels"), [(8, 1), (28, 3)])
def test_images_keep_the_contract(image_size: int, channels: int) -> None:
    generator = mlp.Generator(image_size, channels, latent_dim=5, width=16)
    images = generator(torch.randn(4, 5))
    assert images.shape == (4, channels, image_size, image_size)
    assert images.abs().max() <= 1
    assert mlp.Discriminator(image_size, channels, width=8)(images).logits.shape == (4,)


def test_points_keep_the_contract() -> None:
    points = mlp.PointGenerator(channels=3, latent_dim=5, width=16)(torch.randn(4, 5))
    assert points.shape == (4, 3)
    assert mlp.PointDiscriminator(channels=3, width=8)(points).logits.shape == (4,)


def test_maxout_is_the_largest_of_its_pieces() -> None:
    layer = mlp.LinearMaxout(3, 4, pieces=2)
    inputs = torch.randn(5, 3)
    pieces = (inputs @ layer.linear.weight.T + layer.linear.bias).view(5, 4, 2)
    torch.testing.assert_close(layer(inputs), torch.maximum(pieces[..., 0], pieces[..., 1]))


@pytest.mark.parametrize("shape", [(6, 2), (6, 2, 8, 8)])
@pytest.mark.parametrize("packing", [1, 2, 3])
def test_packs_are_neighbours_along_dimension_one(shape: tuple[int, ...], packing: int) -> None:
    seen = []

    class Probe(torch.nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            assert channels == 2 * packing

        def forward(self, images: torch.Tensor) -> Any:
            seen.append(images)

    samples = torch.randn(shape)
    Packed(Probe, packing, channels=2)(samples)
    expected = torch.stack([torch.cat(list(samples[k : k + packing])) for k in range(0, 6, packing)])
    assert torch.equal(seen[0], expected)


def test_refusals() -> None:
    packed = Packed(mlp.PointDiscriminator, 2, channels=2)
    with pytest.raises(GanforgeError, match=r"packing=2.*batch_size"):
        packed(torch.randn(3, 2))
    with pytest.raises(GanforgeError, match="conditioning=none"):
        packed(torch.randn(4, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(GanforgeError, match="packing"):
        Packed(mlp.PointDiscriminator, 0, channels=2)
    with pytest.raises(GanforgeError, match="input_dropout"):
        mlp.Discriminator(8, 1, input_dropout=1.0)
    with pytest.raises(GanforgeError, match="width"):
        mlp.PointGenerator(width=0)
