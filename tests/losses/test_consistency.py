"""Closed forms of the consistency terms."""

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.losses.consistency import (
    BalancedConsistency,
    Consistency,
    FlipShift,
    LatentConsistency,
    LatentDiversity,
)
from ganforge.testing.steps import LinearDiscriminator, LinearGenerator, make_step

SHAPE = (2, 6, 6)
SIZE = 72


def test_linear_discriminator_sees_the_shift():
    discriminator = LinearDiscriminator(torch.full((SIZE,), 0.5))
    step = make_step(discriminator=discriminator)
    # T(x) = x + 0.1 changes D by 0.5 * 72 * 0.1 = 3.6.
    assert Consistency(weight=10, augmentation=lambda x: x + 0.1)(step).item() == pytest.approx(12.96, rel=1e-4)
    both = BalancedConsistency(weight=10, augmentation=lambda x: x + 0.1, fake_weight=0.5)
    assert both(step).item() == pytest.approx(1.5 * 12.96, rel=1e-4)
    assert Consistency(weight=10, augmentation=lambda x: x)(step).item() == 0


def test_latent_terms_of_a_linear_game():
    torch.manual_seed(0)
    matrix = torch.randn(SIZE, 7)
    weight = torch.randn(SIZE) / SIZE
    step = make_step(
        "generator",
        discriminator=LinearDiscriminator(weight),
        generator=LinearGenerator(matrix, SHAPE),
        n=50_000,
    )
    # D(G(z + e)) - D(G(z)) = w.A e has variance s^2 ||A^T w||^2; a pixel of A e has s^2 ||A||_F^2 / 72.
    expected = 0.01 * (matrix.T @ weight).square().sum()
    assert LatentConsistency(weight=5, deviation=0.1)(step).item() == pytest.approx(expected.item(), rel=0.05)
    diversity = LatentDiversity(weight=0.5, deviation=0.1)(step)
    assert diversity.item() == pytest.approx(-0.01 * matrix.square().sum().item() / SIZE, rel=0.05)
    assert torch.autograd.grad(diversity, step.networks["generator"].matrix)[0].abs().sum() > 0


def test_latent_consistency_leaves_the_generator_alone():
    step = make_step()
    value = LatentConsistency(weight=5)(step)
    assert torch.autograd.grad(value, step.networks["generator"].matrix, allow_unused=True) == (None,)


def test_flip_shift():
    torch.manual_seed(0)
    images = torch.arange(8 * 8.0).reshape(1, 1, 8, 8).expand(200, 2, 8, 8)
    moved = FlipShift()(images)
    assert moved.shape == images.shape
    assert torch.equal(moved[:, 0], moved[:, 1])  # one change an image, all channels alike
    assert torch.equal(moved % 1, torch.zeros_like(moved))
    assert len({tuple(image.flatten().tolist()) for image in moved}) > 90  # of 2 * 81 possible ones
    still = FlipShift(0)(images)
    mirrored = still.eq(images.flip(3)).flatten(1).all(1)
    assert torch.equal(still[~mirrored], images[~mirrored])
    assert 60 < mirrored.sum() < 140
    # One pixel: the only possible left columns are 1, 0, 1 (reflected) and their mirror images.
    assert set(FlipShift(1)(images)[:, 0, :, 0].remainder(8).flatten().tolist()) == {0.0, 1.0, 6.0, 7.0}
    with pytest.raises(GanforgeError, match="pixels"):
        FlipShift(-1)


def test_deviation_is_checked():
    for term in (LatentConsistency, LatentDiversity):
        with pytest.raises(GanforgeError, match="deviation"):
            term(weight=1, deviation=0)
