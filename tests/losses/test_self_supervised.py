"""Closed forms of InfoMax-GAN's and SSGAN's terms."""

import math

import pytest
import torch
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.losses.self_supervised import InfoMax, Rotation
from ganforge.networks.critique import Critique
from ganforge.testing.steps import LinearDiscriminator, make_step, unread

OWN = {"discriminator": "real_critique", "generator": "fake_critique"}
OTHER = {"discriminator": "fake_critique", "generator": "real_critique"}


def embedded(images, places):
    return Critique(torch.zeros(len(images)), embedding=images, local_embeddings=places)


@pytest.mark.parametrize("player", OWN)
def test_infomax_of_images_that_look_alike_counts_the_others_places(player):
    """Equal products: one place against itself and the places of the three other images."""
    critique = embedded(torch.ones(4, 5), torch.ones(4, 5, 6))
    term = InfoMax(weight=0.2, player=player)
    step = make_step(player, **{OWN[player]: critique})
    assert term(step).item() == pytest.approx(math.log(1 + 3 * 6 + 6 * math.exp(-10 - 5)))
    assert unread(step) == [OTHER[player]]


@pytest.mark.parametrize("own_places", [None, -10.0, 0.5])
def test_infomax_is_cross_entropy_place_by_place(own_places):
    torch.manual_seed(0)
    images, places = torch.randn(3, 4), torch.randn(3, 4, 2)
    losses = []
    for image in range(3):
        others = [images[image] @ places[j, :, q] for j in range(3) if j != image for q in range(2)]
        others += [] if own_places is None else [torch.tensor(own_places)] * 2
        for place in range(2):
            logits = torch.stack([images[image] @ places[image, :, place], *others])
            losses.append(F.cross_entropy(logits[None], torch.tensor([0])))
    value = InfoMax(weight=1, own_places=own_places)(make_step(real_critique=embedded(images, places)))
    assert value.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-6)


def test_infomax_needs_a_second_image():
    with pytest.raises(GanforgeError, match="batch_size"):
        InfoMax(weight=1)(make_step(real_critique=embedded(torch.ones(1, 2), torch.ones(1, 2, 3))))


@pytest.mark.parametrize("player", OWN)
@pytest.mark.parametrize("n", [4, 6, 8])
def test_rotation_asks_for_the_turn_of_each_quarter(player, n):
    """A head that reads which corner is bright knows every turn; one that guesses pays log 4."""
    images = torch.zeros(n, 1, 6, 6)
    images[:, :, 0, 0] = 1  # counterclockwise turns take it to the lower left, lower right, upper right

    def judge(turned, condition, sure=50.0):
        corners = torch.stack([turned[:, 0, row, column] for row, column in ((0, 0), (-1, 0), (-1, -1), (0, -1))], 1)
        assert corners.sum(0).min() > 0
        return Critique(torch.zeros(n), class_logits=sure * corners)

    other = {"fake" if player == "discriminator" else "real": torch.zeros(n, 1, 6, 6)}
    own = {"real" if player == "discriminator" else "fake": images}
    term = Rotation(weight=1, player=player)
    assert term(make_step(player, **own, **other, discriminate=judge)).item() == pytest.approx(0, abs=1e-6)
    blind = make_step(player, **own, **other, discriminate=lambda turned, condition: judge(turned, condition, 0.0))
    assert term(blind).item() == pytest.approx(math.log(4))


def test_rotation_refuses_other_heads_and_points():
    with pytest.raises(GanforgeError, match=r"3 outputs .* network=resnet_rotation"):
        Rotation(weight=1)(make_step(discriminator=LinearDiscriminator(torch.zeros(72), classes=3)))
    with pytest.raises(GanforgeError, match="square images"):
        Rotation(weight=1)(make_step(real=torch.zeros(4, 2)))
