"""EBGAN's discriminator: an autoencoder whose energy is the norm of its error."""

import pytest
import torch

from ganforge.core.config import compose
from ganforge.networks.autoencoder import Discriminator


def test_logits_are_minus_the_norm_of_the_error():
    torch.manual_seed(0)
    network = Discriminator(image_size=16, channels=3, width=8, code=5).eval()
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    critique = network(images)
    assert critique.features.shape == (4, 5)
    error = network.decoder(critique.features) - images
    expected = -error.square().sum((1, 2, 3)).sqrt()
    torch.testing.assert_close(critique.logits, expected)


@pytest.mark.parametrize(("size", "margin"), [(32, 10), (64, 20), (128, 40), (256, 80)])
def test_margins_are_the_papers(size, margin):
    assert compose(["model=ebgan", "data=celeba", f"data.image_size={size}"]).loss.margin == margin
