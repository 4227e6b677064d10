"""Closed forms of the auxiliary heads' losses."""

import math

import pytest
import torch
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.losses.auxiliary import (
    Classification,
    ConditionalContrastive,
    DataToDataCrossEntropy,
    Information,
)
from ganforge.networks.critique import Critique
from ganforge.testing.steps import make_step, unread


def critique(**heads):
    n = len(next(iter(heads.values())))
    return Critique(torch.zeros(n), **heads)


def test_classification_is_cross_entropy():
    step = make_step()
    real = F.cross_entropy(step.real_critique.class_logits, step.condition).item()
    fake = F.cross_entropy(step.fake_critique.class_logits, step.fake_condition).item()
    assert Classification(weight=1)(step).item() == pytest.approx(real + fake)
    assert Classification(weight=1, fake_weight=0.5)(step).item() == pytest.approx(real + fake / 2)
    alone = Classification(weight=1, fake_weight=0)
    assert alone(make_step(real_critique=step.real_critique)).item() == pytest.approx(real)
    assert Classification(weight=1, player="generator")(step).item() == pytest.approx(fake)
    uniform = make_step(real_critique=critique(class_logits=torch.zeros(4, 3)))
    assert alone(uniform).item() == pytest.approx(math.log(3))
    for term, left in (
        (alone, ["fake_critique"]),
        (Classification(weight=1), []),
        (Classification(weight=1, player="generator"), ["real_critique"]),
    ):
        step = make_step()
        term(step)
        assert unread(step) == left
    with pytest.raises(GanforgeError, match="fake_weight"):
        Classification(weight=1, fake_weight=-1)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_information(player):
    latent = torch.tensor([[9.0, 1, 0, 0, 0.5], [9.0, 0, 0, 1, -1.0]])  # noise, one of three, one continuous
    term = Information(weight=1, player=player, categories=3, continuous=1)

    def value(codes, term=term):
        return term(make_step(player, latent=latent, fake_critique=critique(codes=codes))).item()

    # A head that knows nothing and guesses 0: log 3 - H = 0, and the normal's surprise less log 2.
    constant = math.log(2 * math.pi) / 2 - math.log(2)
    blind = value(torch.zeros(2, 4))
    assert blind == pytest.approx((0.25 + 1) / 4 + constant, rel=1e-6)
    # One that knows all: the bound is H(c) of the category, and the constant of a unit deviation.
    known = torch.tensor([[50.0, 0, 0, 0.5], [0, 0, 50.0, -1.0]])
    assert value(known) == pytest.approx(constant - math.log(3), rel=1e-6)
    sharp = Information(weight=1, categories=3, continuous=1, deviation=0.1)
    assert value(known, sharp) == pytest.approx(constant - math.log(3) + math.log(0.1), rel=1e-6)
    with pytest.raises(GanforgeError, match="code head"):
        value(torch.zeros(2, 6))


def test_information_of_either_kind_alone():
    latent = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    step = make_step(latent=latent, fake_critique=critique(codes=torch.zeros(2, 2)))
    assert Information(weight=1, categories=2, continuous=0)(step).item() == pytest.approx(0, abs=1e-7)
    continuous = Information(weight=1, categories=0, continuous=2, continuous_weight=0.5)(step).item()
    assert continuous == pytest.approx(0.5 * (0.5 + 2 * (math.log(2 * math.pi) / 2 - math.log(2))))
    with pytest.raises(GanforgeError, match="categories"):
        Information(weight=1, categories=0, continuous=0)
    with pytest.raises(GanforgeError, match="deviation"):
        Information(weight=1, deviation=0)


# Two embeddings of class 0 at a right angle, one of class 1 opposite the first; lengths do not count.
EMBEDDING = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
PROXY = torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.0, 7.0]])
LABELS = torch.tensor([0, 0, 1])


def contrastive_step(player):
    head = critique(embedding=EMBEDDING, proxy=PROXY)
    if player == "discriminator":
        return make_step(player, real_critique=head, condition=LABELS)
    return make_step(player, fake_critique=head, fake_condition=LABELS)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_conditional_contrastive(player):
    def e(cosine):
        return math.exp(cosine / 0.5)

    # Cosines: 0.1 = 0, 0.2 = -1, 1.2 = 0; to proxies 1, 0 and 0.
    expected = [
        -math.log((e(1) + e(0)) / (e(1) + e(0) + e(-1))),
        -math.log((e(0) + e(0)) / (e(0) + e(0) + e(0))),
        -math.log(e(0) / (e(0) + e(-1) + e(0))),
    ]
    term = ConditionalContrastive(weight=1, player=player, temperature=0.5)
    step = contrastive_step(player)
    assert term(step).item() == pytest.approx(sum(expected) / 3, rel=1e-6)
    assert unread(step) == ["fake_critique" if player == "discriminator" else "real_critique"]


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("scaled", [False, True])
def test_data_to_data_cross_entropy(player, scaled):
    scale = math.exp((0.1 - 0) / 0.5) if scaled else 1.0  # of each image the nearest other has a cosine of 0

    def positive(cosine):
        return math.exp(min(0, cosine - 0.9) / 0.5)

    def negative(cosine):
        return scale * math.exp(max(0, cosine - 0.1) / 0.5)

    expected = [
        -math.log(positive(1) / (positive(1) + negative(-1))),
        -math.log(positive(0) / (positive(0) + negative(0))),
        -math.log(positive(0) / (positive(0) + negative(-1) + negative(0))),
    ]
    term = DataToDataCrossEntropy(weight=0.5, player=player, margin=0.9, scaled_negatives=scaled)
    step = contrastive_step(player)
    assert term(step).item() == pytest.approx(sum(expected) / 3, rel=1e-6)
    assert unread(step) == ["fake_critique" if player == "discriminator" else "real_critique"]


def test_easy_pairs_exert_no_force():
    embedding = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    head = critique(embedding=embedding, proxy=torch.eye(2))
    step = make_step(real_critique=head, condition=torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(DataToDataCrossEntropy(weight=1)(step), embedding)
    assert gradient.abs().max() == 0


def test_one_class_in_the_batch_is_finite():
    head = critique(embedding=EMBEDDING.clone().requires_grad_(), proxy=PROXY)
    step = make_step(real_critique=head, condition=torch.zeros(3, dtype=torch.long))
    for term in (ConditionalContrastive(weight=1), DataToDataCrossEntropy(weight=1)):
        value = term(step)
        assert value.item() == pytest.approx(0, abs=1e-6)
        assert torch.autograd.grad(value, head.embedding)[0].isfinite().all()


def test_refusals():
    with pytest.raises(GanforgeError, match="temperature"):
        ConditionalContrastive(weight=1, temperature=0)
    with pytest.raises(GanforgeError, match="margin"):
        DataToDataCrossEntropy(weight=1, margin=1.5)
    with pytest.raises(GanforgeError, match="embedding"):
        ConditionalContrastive(weight=1)(make_step(real_critique=critique(class_logits=torch.zeros(4, 3))))
