"""Adaptive instance normalisation: closed forms, the official decoder, and any size of content and style."""

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.networks.adain import Generator, adaptive_instance_norm, channel_statistics
from ganforge.networks.features import EfficientNetFeatures
from ganforge.networks.vgg import Vgg19Features


def decoder(**options):
    torch.manual_seed(0)
    return Generator(EfficientNetFeatures(stages=[1]), **{"widths": [8, 4], **options})


def test_the_output_has_the_styles_statistics():
    torch.manual_seed(0)
    content, style = torch.randn(2, 5, 9, 7) * 3 + 1, torch.randn(2, 5, 4, 6) * 0.5 - 2
    drawn = adaptive_instance_norm(content, style)
    assert drawn.shape == content.shape
    for found, wanted in zip(channel_statistics(drawn), channel_statistics(style), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(adaptive_instance_norm(content, content), content)


def test_statistics_by_hand():
    maps = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(1, 1, 2, 2)
    mean, deviation = channel_statistics(maps)
    assert mean.item() == 4
    assert deviation.item() == pytest.approx((20 / 3 + 1e-5) ** 0.5)
    assert channel_statistics(torch.full((1, 1, 1, 1), 2.0))[1].item() == pytest.approx(1e-5**0.5)  # one place


def test_the_decoder_of_vgg_has_the_official_count():
    """pytorch-AdaIN 47950d0e, counted by running its file; and the same without the repeats at 256 channels."""
    with torch.device("meta"):
        counts = [
            sum(
                p.numel()
                for p in Generator(
                    Vgg19Features(None, ["relu4_1"]), 3, widths=[256, 128, 64], repeats=repeats
                ).parameters()
            )
            for repeats in ([3, 1, 1], [0, 1, 1])
        ]
    assert counts == [3_505_219, 3_505_219 - 3 * (256 * 256 * 9 + 256)]


def test_content_and_style_of_any_size():
    generator = decoder()
    assert generator(torch.rand(2, 3, 40, 33), torch.rand(2, 3, 36, 48)).shape == (2, 3, 36, 48)
    assert generator.multiple == 4


def test_another_style_is_another_picture_and_the_encoder_is_no_part_of_it():
    generator = decoder()
    content, first, second = (torch.rand(1, 3, 32, 32) * 2 - 1 for _ in range(3))
    assert not torch.allclose(generator(first, content), generator(second, content))
    assert all(name.startswith("decoder.") for name in generator.state_dict())
    assert sum(parameter.numel() for parameter in generator.parameters()) < 10_000


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: decoder()(None, torch.rand(1, 3, 32, 32)), "choose model=adain"),
        (lambda: decoder()(torch.rand(1, 3, 32, 32), None), "add conditioning=given"),
        (lambda: decoder(repeats=[1]), "2 widths need as many repeats, got 1"),
        (lambda: decoder(widths=[]), "widths must be a whole number"),
    ],
)
def test_refusals_are_one_sentence(call, sentence):
    with pytest.raises(GanforgeError, match=sentence):
        call()
