"""What the training loop relies on, for every augmentation and for combinations."""

import pytest
import torch

import ganforge.augment
from discovery import concrete
from ganforge.augment.ada import Ada
from ganforge.augment.adaptive import Adaptive
from ganforge.augment.apa import Apa
from ganforge.augment.base import Augment, Compose, Identity
from ganforge.augment.diff_augment import DiffAugment
from ganforge.augment.growth import LevelOfDetail
from ganforge.augment.noise import InstanceNoise
from ganforge.testing import check_augment

AUGMENTS = {
    "identity": Identity,
    "diff_augment": DiffAugment,
    "ada": lambda: Ada("bgcfnc", p=0.8),
    "apa": lambda: Apa(p=0.5),
    "noise": lambda: InstanceNoise(sigma=0.3, kimg=1),
    "level_of_detail": LevelOfDetail,
    "compose": lambda: Compose([Apa(p=0.5), Ada("bgc", p=0.5), InstanceNoise()]),
}


@pytest.fixture(params=AUGMENTS)
def augment(request):
    torch.manual_seed(0)
    return AUGMENTS[request.param]()


def test_every_augmentation_is_held_to_it():
    bases = {Augment, Adaptive}
    assert {type(make()) for make in AUGMENTS.values()} == {*concrete(ganforge.augment, Augment)} - bases


@pytest.mark.parametrize("channels", [1, 3])
def test_every_augmentation_keeps_the_contract(augment, channels):
    check_augment(augment, torch.rand(8, channels, 32, 32) * 2 - 1)


def test_float32_images_survive_autocast_in_float32(augment):
    images = torch.rand(4, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert augment(images).dtype == torch.float32


def test_defaults_change_nothing():
    real, fake = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    augment = Augment()
    assert augment(real) is real
    assert augment.pseudo(real, lambda: fake) is real
    assert augment.scalars() == {}


def test_compose_applies_in_order_and_names_every_scalar():
    flip_sign, plus_one = _Affine(-1, 0), _Affine(1, 1)
    images = torch.zeros(1, 1, 2, 2)
    assert (Compose([flip_sign, plus_one])(images) == 1).all()
    assert (Compose([plus_one, flip_sign])(images) == -1).all()

    both = Compose([Ada(), Apa(), Ada("noise", p=0.25, target=None)])
    both.observe(torch.ones(4), 4)
    scalars = both.scalars()
    assert set(scalars) == {"ada_p", "ada_heuristic", "apa_p", "apa_heuristic", "ada_p_2"}
    assert scalars["ada_p_2"] == 0.25


class _Affine(Augment):
    def __init__(self, scale, shift):
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, images):
        return self.scale * images + self.shift
