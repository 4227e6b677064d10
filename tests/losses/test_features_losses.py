"""Losses in frozen features: closed forms, and the contract of terms on pictures."""

import copy

import pytest
import torch
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.losses.perceptual import Perceptual
from ganforge.losses.style import StyleContent, StyleStatistics
from ganforge.networks.critique import NotGiven
from ganforge.networks.features import Features
from ganforge.testing import check_term
from ganforge.testing.steps import make_step


class Doubled(nn.Module):
    def forward(self, images):
        return images, 2 * images


class Pixels(Features):
    """The pictures themselves, and twice them."""

    widths = (3, 3)

    def load(self, device):
        return Doubled()


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, latent, condition=None):
        return self.scale * condition


def step(**replaced):
    torch.manual_seed(0)
    content, style = (torch.rand(3, 3, 16, 16) * 2 - 1 for _ in range(2))
    network = Scale()
    known = {"real": style, "latent": style, "condition": content, "fake_condition": content}
    known |= {"fake": network(None, content), "generate": network, "networks": {"generator": network}}
    return make_step("generator", **{**known, **replaced})


def value(term, **replaced):
    return term(step(**replaced)).item()


def test_perceptual_by_hand():
    real = torch.zeros(2, 3, 8, 8)
    fake = real.clone()
    fake[0] += 0.5
    assert value(Perceptual(weight=1, features=Pixels()), real=real, fake=fake) == pytest.approx((0.25 + 0.5) / 2)
    squared = Perceptual(weight=1, features=Pixels(), norm="l2")
    assert value(squared, real=real, fake=fake) == pytest.approx((0.125 + 0.5) / 2)
    assert value(Perceptual(weight=1), real=real, fake=real) == 0 < value(Perceptual(weight=1), real=real, fake=fake)


def test_style_statistics_by_hand():
    """Each channel's mean is off by m, and its deviation by a factor s; maps are pictures and twice pictures."""
    torch.manual_seed(0)
    style = torch.randn(2, 3, 32, 32)
    deviation = (style.var((2, 3)) + 1e-5).sqrt()
    shifted = style + 0.3
    assert value(StyleStatistics(weight=1, features=Pixels()), latent=style, fake=shifted) == pytest.approx(
        0.09 * (1 + 4), rel=1e-4
    )
    wider = (style - style.mean((2, 3), keepdim=True)) * 2 + style.mean((2, 3), keepdim=True)
    expected = deviation.square().mean().item() * (1 + 4)
    found = value(StyleStatistics(weight=1, features=Pixels()), latent=style, fake=wider)
    assert found == pytest.approx(expected, rel=1e-3)
    flipped = style.flip(-1)  # the same statistics at other places
    assert value(StyleStatistics(weight=1, features=Pixels()), latent=style, fake=flipped) == pytest.approx(0, abs=1e-9)


def test_the_contents_target_has_the_styles_statistics():
    torch.manual_seed(0)
    content, style = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16) * 2 + 1
    (mean, deviation), (wanted_mean, wanted_deviation) = (
        (each.mean((2, 3), keepdim=True), each.std((2, 3), keepdim=True)) for each in (content, style)
    )
    exact = (content - mean) / deviation * wanted_deviation + wanted_mean
    term = StyleContent(weight=1, features=Pixels())
    assert value(term, condition=content, latent=style, fake=exact) == pytest.approx(0, abs=1e-6)
    off = value(term, condition=content, latent=style, fake=exact + 0.5)
    assert off == pytest.approx(4 * 0.25, rel=1e-3)  # the last map is twice the picture


@pytest.mark.parametrize("kind", [Perceptual, StyleContent, StyleStatistics])
def test_terms_keep_their_contract_and_no_weights(kind):
    term = kind(weight=1.0)
    check_term(term, step())
    assert term.state_dict() == {}
    assert value(copy.deepcopy(term)) == value(term)


@pytest.mark.parametrize("kind", [StyleContent, StyleStatistics])
def test_style_needs_two_pictures(kind):
    with pytest.raises(NotGiven, match="choose model=adain"):
        value(kind(weight=1), latent=None)


def test_perceptual_is_of_pictures():
    with pytest.raises(NotGiven, match="1 or 3 channels"):
        Perceptual(weight=1)(make_step("generator"))
    with pytest.raises(GanforgeError, match="norm must be"):
        Perceptual(weight=1, norm="l3")
