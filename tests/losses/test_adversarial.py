"""Closed forms of the adversarial losses."""

import math

import pytest
import torch
from torch.nn import functional as F

import ganforge.losses
from discovery import concrete
from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPaired,
    Wasserstein,
)
from ganforge.testing import check_loss

REAL = torch.tensor([2.0, -1.0])
FAKE = torch.tensor([0.5, -3.0])


def softplus(value):
    return math.log1p(math.exp(value))


def gradients(loss, real=REAL, fake=FAKE):
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    return torch.autograd.grad(loss.discriminator(real, fake), (real, fake))


def test_minimax_and_non_saturating():
    expected = (softplus(-2) + softplus(1) + softplus(0.5) + softplus(-3)) / 2
    for loss in (Minimax(), NonSaturating()):
        assert loss.discriminator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)
        # At equal kinds the value is log 4: the game's -log 4 (Goodfellow et al. 2014, theorem 1).
        assert loss.discriminator(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(math.log(4))
    assert Minimax().generator(FAKE).item() == pytest.approx(-(softplus(0.5) + softplus(-3)) / 2)
    assert NonSaturating().generator(FAKE).item() == pytest.approx((softplus(-0.5) + softplus(3)) / 2)


def test_cross_entropy_defaults_are_the_plain_formulas():
    state = torch.get_rng_state()
    value = NonSaturating().discriminator(REAL, FAKE)
    assert torch.equal(value, F.softplus(-REAL).mean() + F.softplus(FAKE).mean())
    assert torch.equal(torch.get_rng_state(), state)


def test_one_sided_label_smoothing():
    loss = NonSaturating(smoothing=0.1)
    real = sum(0.9 * softplus(-v) + 0.1 * softplus(v) for v in (2.0, -1.0)) / 2
    fake = (softplus(0.5) + softplus(-3)) / 2
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(real + fake, rel=1e-6)
    # D's optimum where real and fake are as dense is sigma(v) = 0.9 / 2 (Salimans et al. 2016, section 3.4).
    optimum = torch.tensor([math.log(0.45 / 0.55)])
    of_real, of_fake = gradients(loss, optimum, optimum)
    assert (of_real + of_fake).item() == pytest.approx(0, abs=1e-6)
    assert loss.generator(FAKE).item() == NonSaturating().generator(FAKE).item()


def test_label_flipping_reaches_its_share_of_both_kinds():
    torch.manual_seed(0)
    n, share, smoothing = 200_000, 0.2, 0.1
    loss = Minimax(smoothing=smoothing, flipping=share)
    of_real, of_fake = gradients(loss, torch.zeros(n), torch.zeros(n))
    # At v = 0 a sample's gradient is (1/2 - target) / n: -0.4 for a real target, 0.5 for a generated one.
    real_mean = (1 - share) * -0.4 + share * 0.5
    fake_mean = share * -0.4 + (1 - share) * 0.5
    assert of_real.sum().item() == pytest.approx(real_mean, abs=0.005)
    assert of_fake.sum().item() == pytest.approx(fake_mean, abs=0.005)
    assert set((of_fake * n).mul(10).round().tolist()) == {-4.0, 5.0}


@pytest.mark.parametrize("arguments", [{"smoothing": -0.1}, {"smoothing": 1.0}, {"flipping": 0.5}, {"flipping": -0.1}])
def test_cross_entropy_refuses(arguments):
    with pytest.raises(GanforgeError, match=next(iter(arguments))):
        NonSaturating(**arguments)


def test_least_squares():
    loss = LeastSquares()
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx((1 + 4) / 4 + (0.25 + 9) / 4)
    assert loss.generator(FAKE).item() == pytest.approx((0.25 + 16) / 4)
    of_real, of_fake = gradients(loss)
    assert of_real.tolist() == pytest.approx([0.5, -1.0])
    assert of_fake.tolist() == pytest.approx([0.25, -1.5])
    pearson = LeastSquares(fake_label=-1, real_label=1, generator_label=0)
    assert pearson.generator(FAKE).item() == pytest.approx((0.25 + 9) / 4)
    with pytest.raises(GanforgeError, match="fake_label"):
        LeastSquares(fake_label=1.0)


def test_wasserstein():
    assert Wasserstein().discriminator(REAL, FAKE).item() == pytest.approx(-1.25 - 0.5)
    assert Wasserstein().generator(FAKE).item() == pytest.approx(1.25)


def test_hinge_margins():
    assert Hinge().discriminator(REAL, FAKE).item() == pytest.approx((0 + 2) / 2 + (1.5 + 0) / 2)
    assert Hinge().discriminator(torch.tensor([1.0, 7.0]), torch.tensor([-1.0, -9.0])).item() == 0
    of_real, of_fake = gradients(Hinge())
    assert of_real.tolist() == [0.0, -0.5]  # beyond the margin there is no force
    assert of_fake.tolist() == [0.5, 0.0]
    assert Hinge().generator(FAKE).item() == pytest.approx(1.25)


def test_relativistic_paired():
    loss = RelativisticPaired()
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx((softplus(-1.5) + softplus(-2)) / 2)
    assert loss.generator(FAKE, REAL).item() == pytest.approx((softplus(1.5) + softplus(2)) / 2)
    assert loss.discriminator(REAL + 5, FAKE + 5).item() == pytest.approx(loss.discriminator(REAL, FAKE).item())
    with pytest.raises(GanforgeError, match="real"):
        loss.generator(FAKE)


def test_relativistic_average():
    real, fake = (2 + 1.25, -1 + 1.25), (0.5 - 0.5, -3 - 0.5)
    logistic = RelativisticAverage()
    expected = sum(map(softplus, (-real[0], -real[1], *fake))) / 2
    assert logistic.discriminator(REAL, FAKE).item() == pytest.approx(expected, rel=1e-6)
    swapped = sum(map(softplus, (*real, -fake[0], -fake[1]))) / 2
    assert logistic.generator(FAKE, REAL).item() == pytest.approx(swapped, rel=1e-6)
    squares = RelativisticAverage(LeastSquares(fake_label=-1))
    expected = sum((v - 1) ** 2 for v in real) / 4 + sum((v + 1) ** 2 for v in fake) / 4
    assert squares.discriminator(REAL, FAKE).item() == pytest.approx(expected)
    expected = sum((v + 1) ** 2 for v in real) / 4 + sum((v - 1) ** 2 for v in fake) / 4
    assert squares.generator(FAKE, REAL).item() == pytest.approx(expected)
    with pytest.raises(GanforgeError, match="form"):
        RelativisticAverage(RelativisticPaired())


@pytest.mark.parametrize("loss_type", concrete(ganforge.losses, AdversarialLoss))
def test_every_loss_keeps_the_contract(loss_type):
    check_loss(loss_type())
