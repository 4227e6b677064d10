"""Closed forms of the losses between pictures, and of weighted adversarial losses."""

import math

import pytest
import torch
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.losses.adversarial import LeastSquares, NonSaturating, RelativisticPaired
from ganforge.losses.energy import BoundaryEquilibrium
from ganforge.losses.translation import LayerMatching, PatchNCE, Reconstruction
from ganforge.losses.weighted import Weighted
from ganforge.networks.critique import Critique, NotGiven
from ganforge.testing import check_loss, check_term
from ganforge.testing.steps import make_step

SHAPE = (2, 6, 6)


@pytest.mark.parametrize(("norm", "value"), [("l1", 0.5), ("l2", 0.375)])
def test_reconstruction(norm, value):
    real, fake = torch.zeros(2, *SHAPE), torch.zeros(2, *SHAPE)
    fake[0] = 0.25
    fake[1] = torch.tensor([0.0, 1.5])[:, None, None]  # means of the halves: .25; 0 and 1.5
    step = make_step("generator", real=real, fake=fake)
    expected = {"l1": (0.25 + 0.75) / 2, "l2": (0.0625 + 1.125) / 2}[norm]
    assert Reconstruction(weight=100, norm=norm)(step).item() == pytest.approx(expected)
    with pytest.raises(GanforgeError, match="norm"):
        Reconstruction(weight=1, norm="l3")


def test_layer_matching():
    """Layers of different sizes count alike, and so do scales; the target's maps are constants."""

    def of(first, second, third):
        layers = (
            (torch.full((2, 3, 4, 4), first), torch.full((2, 5, 1, 1), second)),
            (torch.full((2, 1, 2, 2), third),),
        )
        return Critique(torch.zeros(2, 4), layers=tuple(tuple(m.requires_grad_() for m in scale) for scale in layers))

    real, fake = of(1.0, 2.0, 3.0), of(1.5, 0.0, 7.0)
    value = LayerMatching(weight=1)(make_step("generator", real_critique=real, fake_critique=fake))
    assert value.item() == pytest.approx(((0.5 + 2) / 2 + 4) / 2)
    value.backward()
    assert fake.layers[0][0].grad is not None
    assert real.layers[0][0].grad is None


class Identity(nn.Module):
    """A generator whose features are the pictures' own channels."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, latent, condition=None):
        return self.scale * condition

    def patches(self, pictures):
        return [self.scale * pictures]

    def project(self, maps, places):
        return [
            nn.functional.normalize(m.flatten(2)[:, :, at].transpose(1, 2), dim=2)
            for m, at in zip(maps, places, strict=True)
        ]


def orthogonal_places(count=4):
    """Pictures whose places hold orthogonal unit vectors."""
    return torch.eye(count).view(1, count, 2, count // 2).repeat(2, 1, 1, 1)


def contrast(fake, condition, **options):
    network = Identity()
    step = make_step(
        "generator",
        real=condition,
        fake=fake,
        condition=condition,
        fake_condition=condition,
        generate=network,
        networks={"generator": network},
    )
    return PatchNCE(weight=1.0, **{"identity": False, **options})(step).item()


def test_patch_nce_by_hand():
    source = orthogonal_places()
    right = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 3))
    assert contrast(source, source, temperature=0.5) == pytest.approx(right, rel=1e-5)
    wrong = math.log(math.exp(1 / 0.5) + 3)  # each place holds what is at another one
    assert contrast(source.flip(-1), source, temperature=0.5) == pytest.approx(wrong, rel=1e-5)
    assert contrast(source.flip(-1), source, temperature=0.5, identity=True) == pytest.approx((right + wrong) / 2)
    assert contrast(source.flip(-1), source, temperature=0.5, places=2) < wrong  # fewer negatives


def test_negatives_are_of_the_same_picture():
    source = orthogonal_places()
    source[1] = source[0]  # the same features in the other picture cost nothing
    assert contrast(source, source) == pytest.approx(math.log1p(3 * math.exp(-1 / 0.07)), abs=1e-6)


def test_a_mirrored_source_is_compared_mirrored_back():
    """Features at a place are its own, so that mirroring twice changes nothing; CUT's network would see another one."""
    source = orthogonal_places()
    assert contrast(source, source, flip=1.0) == pytest.approx(contrast(source, source, flip=0.0))


def test_patch_nce_trains_the_generator_through_the_output_alone():
    network, source = Identity(), orthogonal_places() + 0.1
    queries = source.clone().requires_grad_()
    key = source.clone().requires_grad_()
    step = make_step(
        "generator", real=source, fake=queries, condition=key, generate=network, networks={"generator": network}
    )
    PatchNCE(weight=1, identity=False)(step).backward()
    assert queries.grad is not None
    assert key.grad is None


def test_patch_nce_keeps_the_contract_of_terms():
    network, source = Identity(), orthogonal_places()
    pictures = {"real": source, "fake": network(None, source + 0.3), "condition": source, "fake_condition": source}
    term = PatchNCE(weight=1.0)
    check_term(term, make_step("generator", generate=network, networks={"generator": network}, **pictures))
    with pytest.raises(NotGiven, match="patches and project"):
        term(make_step("generator"))
    with pytest.raises(NotGiven, match="source pictures"):
        term(make_step("generator", networks={"generator": network}))
    for options in ({"temperature": 0.0}, {"places": 1}, {"flip": 1.5}):
        with pytest.raises(GanforgeError, match="PatchNCE"):
            PatchNCE(weight=1.0, **options)


@pytest.mark.parametrize("form", [NonSaturating(), LeastSquares(), RelativisticPaired()])
def test_weights_multiply_each_players_loss(form):
    weighted = Weighted(form, discriminator_weight=0.5, generator_weight=3.0)
    real, fake = torch.tensor([0.3, -1.0]), torch.tensor([0.1, 2.0])
    assert weighted.discriminator(real, fake) == 0.5 * form.discriminator(real, fake)
    assert weighted.generator(fake, real) == 3 * form.generator(fake, real)
    check_loss(weighted)


def test_weighted_refuses_what_cannot_be_weighed():
    with pytest.raises(GanforgeError, match="adapts"):
        Weighted(BoundaryEquilibrium())
    with pytest.raises(GanforgeError, match="generator_weight"):
        Weighted(NonSaturating(), generator_weight=0.0)


def test_full_least_squares_are_the_authors():
    """CycleGAN's code: MSE to 1 for the generator, half the sum of both for the discriminator."""
    loss, real, fake = Weighted(LeastSquares(), generator_weight=2.0), torch.randn(2, 9), torch.randn(2, 9)
    mse = nn.functional.mse_loss
    ones, zeros = torch.ones_like(fake), torch.zeros_like(fake)
    torch.testing.assert_close(loss.generator(fake), mse(fake, ones))
    torch.testing.assert_close(loss.discriminator(real, fake), (mse(real, ones) + mse(fake, zeros)) * 0.5)
