"""Closed forms of gradient penalties: linear and quadratic discriminators."""

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.losses.gradient_penalty import R1, R2, Dragan, GradientPenalty, LipschitzPenalty, input_gradient
from ganforge.testing.steps import LinearDiscriminator, make_step

SIZE = 2 * 6 * 6


def linear(norm, quadratic=0.0):
    weight = torch.randn(SIZE)
    return LinearDiscriminator(weight / weight.norm() * norm, quadratic)


@pytest.mark.parametrize(
    ("term", "norm", "expected"),
    [
        (GradientPenalty(weight=10), 3.0, 4.0),
        (GradientPenalty(weight=10), 0.5, 0.25),
        (GradientPenalty(weight=10, centre=0), 3.0, 9.0),
        (LipschitzPenalty(weight=10), 3.0, 4.0),
        (LipschitzPenalty(weight=10), 0.5, 0.0),
        (Dragan(weight=10), 3.0, 4.0),
        (R1(weight=1), 3.0, 4.5),
        (R2(weight=1), 3.0, 4.5),
    ],
)
def test_linear_discriminator(term, norm, expected):
    discriminator = linear(norm)
    value = term(make_step(discriminator=discriminator))
    assert value.item() == pytest.approx(expected, rel=1e-5, abs=1e-10)
    # d/dw of (|w| - 1)^2 is 2 (|w| - 1) w / |w|, of |w|^2 is 2 w, of |w|^2 / 2 is w: all along w.
    (gradient,) = torch.autograd.grad(value, discriminator.weight)
    slope = {9.0: 6.0, 4.5: 3.0, 4.0: 4.0, 0.25: -1.0, 0.0: 0.0}[expected]
    assert torch.allclose(gradient, slope * discriminator.weight.detach() / norm, atol=1e-5)


def test_quadratic_discriminator():
    discriminator = linear(0.0, quadratic=2.0)  # D(x) = ||x||^2, gradient 2 x
    step = make_step(discriminator=discriminator)
    for term, images in ((R1(weight=1), step.real), (R2(weight=1), step.fake)):
        value = term(step)
        assert value.item() == pytest.approx(2 * images.square().flatten(1).sum(1).mean().item(), rel=1e-5)
        (gradient,) = torch.autograd.grad(value, discriminator.quadratic)
        assert gradient.item() == pytest.approx(value.item(), rel=1e-5)  # value = q^2 E||x||^2 / 2 at q = 2


def test_points_lie_where_the_papers_put_them():
    step = make_step(n=256)
    share = (GradientPenalty(weight=1).points(step) - step.real) / (step.fake - step.real)
    one_an_image = share.flatten(1).median(1).values
    assert torch.allclose(share.flatten(1).median(1).values, share.flatten(1).mean(1), atol=1e-2)
    assert 0 <= one_an_image.min() < 0.1
    assert 0.9 < one_an_image.max() <= 1
    moved = (Dragan(weight=1).points(step) - step.real) / step.real.std(correction=0)
    assert moved.min() >= 0
    assert 0.45 < moved.max() <= 0.5
    assert moved.mean().item() == pytest.approx(0.125, abs=0.02)  # 0.5 * E[u] * E[v]


def test_zero_gradient_is_finite():
    discriminator = linear(0.0)
    for term in (GradientPenalty(weight=1), GradientPenalty(weight=1, centre=0), R1(weight=1)):
        (gradient,) = torch.autograd.grad(term(make_step(discriminator=discriminator)), discriminator.weight)
        assert gradient.isfinite().all()


def test_input_gradient_leaves_autocast_and_the_generators_graph():
    discriminator = linear(2.0)
    step = make_step("generator", discriminator=discriminator)
    with torch.autocast("cpu", torch.bfloat16):
        gradient = input_gradient(step.discriminate, step.fake.bfloat16(), None)
    assert gradient.dtype == torch.float32
    assert torch.equal(gradient[0].flatten(), discriminator.weight)
    assert torch.autograd.grad(gradient.sum(), step.networks["generator"].matrix, allow_unused=True) == (None,)


def test_centre_is_a_norm():
    with pytest.raises(GanforgeError, match="centre"):
        GradientPenalty(weight=1, centre=-1)
