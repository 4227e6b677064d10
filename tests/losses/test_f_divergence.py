"""At the optimal discriminator the f-GAN objective is the divergence."""

import math

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import Minimax
from ganforge.losses.f_divergence import (
    JensenShannon,
    KullbackLeibler,
    PearsonChiSquared,
    ReverseKullbackLeibler,
    SquaredHellinger,
)

P, Q = (0.5, 0.25, 0.25), (0.25, 0.25, 0.5)


def kl(first, second):
    return sum(a * math.log(a / b) for a, b in zip(first, second, strict=True))


MIDDLE = tuple((a + b) / 2 for a, b in zip(P, Q, strict=True))
CASES = [  # the loss, its divergence by hand, the logit g^-1(f'(u)) of a density ratio u
    (KullbackLeibler, kl(P, Q), lambda u: 1 + math.log(u)),
    (ReverseKullbackLeibler, kl(Q, P), math.log),
    (PearsonChiSquared, sum((a / b - 1) ** 2 * b for a, b in zip(P, Q, strict=True)), lambda u: 2 * (u - 1)),
    (
        SquaredHellinger,
        sum((math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in zip(P, Q, strict=True)),
        lambda u: math.log(u) / 2,
    ),
    (JensenShannon, kl(P, MIDDLE) + kl(Q, MIDDLE), math.log),
]


@pytest.mark.parametrize(("loss_type", "divergence", "logit"), CASES)
def test_the_optimum_is_the_divergence(loss_type, divergence, logit):
    ratio = [logit(a / b) for a, b in zip(P, Q, strict=True)]
    # Batches of four that hold each of the three outcomes in proportion to its probability.
    pick_real, pick_fake = [0, 0, 1, 2], [0, 1, 2, 2]
    logits = torch.tensor(ratio, dtype=torch.float64, requires_grad=True)
    value = loss_type().discriminator(logits[pick_real], logits[pick_fake])
    assert -value.item() == pytest.approx(divergence, rel=1e-9)
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient.abs().max() < 1e-12
    # The generator's two objectives, and equality of distributions.
    fake = logits.detach()[pick_fake]
    assert loss_type().generator(fake).item() == pytest.approx(-loss_type().conjugate(fake).mean().item())
    heuristic = loss_type(objective="heuristic").generator(fake)
    assert heuristic.item() == pytest.approx(-loss_type().activation(fake).mean().item())
    equal = torch.full((4,), logit(1.0))
    assert loss_type().discriminator(equal, equal).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("loss_type", "conjugate"),
    [
        (KullbackLeibler, lambda t: torch.exp(t - 1)),
        (ReverseKullbackLeibler, lambda t: -1 - torch.log(-t)),
        (PearsonChiSquared, lambda t: t**2 / 4 + t),
        (SquaredHellinger, lambda t: t / (1 - t)),
        (JensenShannon, lambda t: -torch.log(2 - torch.exp(t))),
    ],
)
def test_simplified_conjugates_equal_the_table(loss_type, conjugate):
    logits = torch.linspace(-3, 3, 13, dtype=torch.float64)
    loss = loss_type()
    assert torch.allclose(loss.conjugate(logits), conjugate(loss.activation(logits)))


def test_jensen_shannon_is_minimax_less_log_four():
    real, fake = torch.randn(5), torch.randn(5)
    difference = Minimax().discriminator(real, fake) - JensenShannon().discriminator(real, fake)
    assert difference.item() == pytest.approx(math.log(4), rel=1e-5)


def test_objective_is_checked():
    with pytest.raises(GanforgeError, match="objective"):
        KullbackLeibler(objective="both")
