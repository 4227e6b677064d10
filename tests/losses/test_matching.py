"""Losses of pairs of a sample and its condition: who is matched with what, and closed forms."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import Hinge, NonSaturating, RelativisticPaired
from ganforge.losses.energy import BoundaryEquilibrium
from ganforge.losses.matching import MatchingPenalty, Mismatched, TextInterpolation, mismatched_rows
from ganforge.networks.critique import Critique, NotGiven
from ganforge.networks.text import TextEncoder
from ganforge.testing import check_term
from ganforge.testing.steps import make_step


@given(st.lists(st.integers(0, 5), min_size=1, max_size=24), st.integers(0, 10**6))
def test_each_row_gets_another_text_where_there_is_one(groups, seed):
    """A permutation, whose rows of equal texts are as few as the largest group allows: none up to half of the batch."""
    torch.manual_seed(seed)
    texts = torch.tensor([[group, 1] for group in groups])
    rows = mismatched_rows(texts)
    assert sorted(rows.tolist()) == list(range(len(groups)))
    equal = (texts[rows] == texts).all(1).sum().item()
    assert equal == max(0, 2 * max(map(groups.count, groups)) - len(groups))


def test_every_other_text_can_be_drawn():
    torch.manual_seed(0)
    texts = torch.arange(6)
    drawn = torch.stack([mismatched_rows(texts) for _ in range(400)])
    for row in range(6):
        assert {*drawn[:, row].tolist()} == {*range(6)} - {row}


class FirstToken(TextEncoder):
    """A text's embedding is its first token, and 1."""

    def encode(self, tokens):
        return torch.stack([tokens[:, 0].float(), torch.ones(len(tokens))], 1)


class Reader(nn.Module):
    """``D(x, s) = w . x + v . s``."""

    def __init__(self, weight=(0.6, 0.0), of_text=(0.8, 0.0)):
        super().__init__()
        self.text = FirstToken(2)
        self.weight, self.of_text = nn.Parameter(torch.tensor(weight)), nn.Parameter(torch.tensor(of_text))

    def forward(self, images, condition=None):
        return Critique(images.flatten(1)[:, :2].float() @ self.weight + self.text(condition) @ self.of_text)


class Painter(nn.Module):
    """Fills a picture with the mean of the first tokens."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, latent, condition=None):
        condition = TEXTS[: len(latent)] if condition is None else condition
        told = condition.float().flatten(1).mean(1) if condition.ndim == 3 else condition[:, 0].float()
        return (self.scale * told)[:, None, None, None].expand(-1, 2, 6, 6)


TEXTS = torch.tensor([[1, 1], [2, 2], [3, 3], [4, 4]])


def text_step(player="discriminator", **replaced):
    fields = {"condition": TEXTS, "fake_condition": TEXTS, "discriminator": Reader(), "generator": Painter()}
    return make_step(player, fake=torch.zeros(4, 2, 6, 6), real=torch.ones(4, 2, 6, 6), **{**fields, **replaced})


def test_mismatched_pairs_count_as_half_of_the_generated_ones(monkeypatch):
    """Real 0.6 + 0.8 t, generated 0.8 t, mismatched 0.6 + 0.8 t'; the hinge is linear here, so only means count."""
    step = text_step()
    torch.manual_seed(0)
    loss = Hinge()
    total = loss.discriminator(step.real_critique.logits, step.fake_critique.logits) + Mismatched(weight=1, loss=loss)(
        step
    )
    real = torch.relu(1 - (0.6 + 0.8 * TEXTS[:, 0])).mean()
    fake, wrong = 1 + 0.8 * 2.5, 1 + 0.6 + 0.8 * 2.5
    assert total.item() == pytest.approx((real + (fake + wrong) / 2).item())


def test_mismatched_pairs_of_a_relativistic_loss_meet_their_own_samples():
    step, loss = text_step(), RelativisticPaired()
    assert Mismatched(weight=1, loss=loss)(step).isfinite()


def test_real_samples_without_another_text_are_left_out():
    same = torch.ones(4, 2, dtype=torch.int64)
    value = Mismatched(weight=1, loss=Hinge())(text_step(condition=same, fake_condition=same))
    assert value.item() == 0
    assert value.requires_grad
    seen = []
    texts = torch.tensor([[1, 1], [1, 1], [1, 1], [2, 2]])  # two of the four can get another one
    step = text_step(condition=texts, fake_condition=texts)
    full = step.discriminate
    step = dataclasses.replace(step, discriminate=lambda images, told: (seen.append(told), full(images, told))[1])
    Mismatched(weight=1, loss=Hinge())(step)
    assert sorted(seen[-1][:, 0].tolist()) == [1, 2]


def test_interpolated_texts_are_means_of_two_halves():
    """Texts 1 and 3, 2 and 4: the painter draws 2 and 3, of which D takes 0.6, and 0.8 of the mean itself."""
    step = text_step("generator")
    value = TextInterpolation(weight=1, loss=Hinge())(step)
    assert value.item() == pytest.approx(-(1.4 * 2 + 1.4 * 3) / 2)
    value.backward()
    assert step.networks["generator"].scale.grad is not None
    vectors = torch.tensor([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0], [4.0, 1.0]])
    told = text_step("generator", condition=vectors, fake_condition=vectors)
    assert TextInterpolation(weight=1, loss=Hinge())(told).item() == pytest.approx(value.item())
    check_term(TextInterpolation(weight=1, loss=NonSaturating()), told)


def test_averaged_texts_are_drawn_under_new_latents():
    step, latents = text_step("generator"), []
    painter = step.generate
    step = dataclasses.replace(step, generate=lambda latent, told: (latents.append(latent), painter(latent, told))[1])
    TextInterpolation(weight=1, loss=Hinge())(step)
    assert latents[-1].shape == (2, 7)
    assert not torch.equal(latents[-1], step.latent[:2])


def test_interpolation_needs_texts():
    for condition, source in ((None, "conditioning=none"), (torch.arange(4), "this conditioning")):
        with pytest.raises(NotGiven, match=f"reads texts and {source} gives none: set conditioning=text"):
            TextInterpolation(weight=1, loss=Hinge())(
                text_step("generator", condition=condition, fake_condition=condition)
            )


@pytest.mark.parametrize(("power", "value"), [(6, 1.0), (2, 1.0), (3, 1.0)])
@pytest.mark.parametrize("of_text", [(0.8, 0.0), (0.0, 1.6)])
def test_matching_penalty_is_a_power_of_both_gradients_norm(power, value, of_text):
    """``||(w, v)||`` is 1, and then the root of 0.36 + 2.56."""
    step = text_step(discriminator=Reader(of_text=of_text))
    expected = value if of_text[0] else (0.36 + 2.56) ** (power / 2)
    penalty = MatchingPenalty(weight=2, power=power)(step)
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    penalty.backward()
    assert step.networks["discriminator"].of_text.grad.abs().sum() > 0
    vectors = text_step(condition=torch.rand(4, 2), fake_condition=torch.rand(4, 2))
    check_term(MatchingPenalty(weight=2, power=power), vectors)


def test_refusals():
    with pytest.raises(NotGiven, match=r"reads the discriminator's text encoder .*choose network=df_gan"):
        MatchingPenalty(weight=2)(make_step())
    with pytest.raises(GanforgeError, match="power must be above 0"):
        MatchingPenalty(weight=2, power=0)
    for kind in (Mismatched, TextInterpolation):
        with pytest.raises(
            GanforgeError, match=f"{kind.__name__} holds a copy of the loss, and BoundaryEquilibrium adapts"
        ):
            kind(weight=1, loss=BoundaryEquilibrium())
