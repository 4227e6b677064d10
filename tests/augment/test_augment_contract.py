"""What the training loop relies on, for every augmentation and for combinations."""

import pytest
import torch

from ganforge.augment.ada import Ada
from ganforge.augment.apa import Apa
from ganforge.augment.base import Augment, Compose, Identity
from ganforge.augment.diff_augment import DiffAugment
from ganforge.augment.noise import InstanceNoise

AUGMENTS = {
    "identity": Identity,
    "diff_augment": DiffAugment,
    "ada": lambda: Ada("bgcfnc", p=0.8),
    "apa": lambda: Apa(p=0.5),
    "noise": lambda: InstanceNoise(sigma=0.3, kimg=1),
    "compose": lambda: Compose([Apa(p=0.5), Ada("bgc", p=0.5), InstanceNoise()]),
}


@pytest.fixture(params=AUGMENTS)
def augment(request):
    torch.manual_seed(0)
    return AUGMENTS[request.param]()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_dtype_and_finiteness_are_kept(augment, channels, dtype):
    images = (torch.rand(8, channels, 32, 32) * 2 - 1).to(dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        seen = augment(augment.pseudo(images, -images))
    assert seen.shape == images.shape
    assert seen.dtype == dtype
    assert seen.isfinite().all()
    assert not list(augment.parameters())


def test_float32_images_survive_autocast_in_float32(augment):
    images = torch.rand(4, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert augment(images).dtype == torch.float32


def test_a_gradient_penalty_differentiates_twice(augment):
    images = torch.rand(6, 3, 32, 32, requires_grad=True)
    weight = (torch.randn(3 * 32 * 32) / 100).requires_grad_()
    logits = (augment(images).flatten(1) @ weight).tanh()
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradient.square().sum().backward()
    for tensor in (images.grad, weight.grad):
        assert tensor.isfinite().all()
        assert tensor.abs().sum() > 0


def test_state_makes_the_round_trip(augment):
    for _ in range(6):
        augment.observe(torch.ones(8), 8)
    restored = type(augment)(augment.stages) if isinstance(augment, Compose) else type(augment)()
    restored.load_state_dict(augment.state_dict())
    for name, value in augment.state_dict().items():
        torch.testing.assert_close(restored.state_dict()[name], value, rtol=0, atol=0)


def test_scalars_are_scalars_and_buffers_keep_their_dtype(augment):
    before = {name: value.clone() for name, value in augment.state_dict().items()}
    augment.to(torch.bfloat16)
    for name, value in augment.state_dict().items():
        assert value.dtype == before[name].dtype
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    for name, value in augment.scalars().items():
        assert isinstance(name, str)
        assert value.shape == ()


def test_defaults_change_nothing():
    real, fake = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    augment = Augment()
    assert augment(real) is real
    assert augment.pseudo(real, fake) is real
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
