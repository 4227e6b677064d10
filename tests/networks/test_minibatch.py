"""Minibatch discrimination: its sum by hand, and what it shows a discriminator."""

from math import exp

import pytest
import torch
from hydra.utils import instantiate
from torch import nn

from ganforge.core.config import compose
from ganforge.core.errors import GanforgeError
from ganforge.models.manual_loop import ManualLoop
from ganforge.models.preflight import preflight
from ganforge.networks import dcgan
from ganforge.networks.minibatch import MinibatchDiscrimination


def test_closed_form():
    """Two kernels: one measures both features, the other twice the first feature alone."""
    layer = MinibatchDiscrimination(2, kernels=2, kernel_dim=2)
    with torch.no_grad():
        layer.tensor.copy_(torch.tensor([[[1.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]]]))
    closeness = layer(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]]))
    expected = [
        [exp(-1) + exp(-4), 2 * exp(-2)],
        [exp(-1) + exp(-3), exp(-2) + 1],
        [exp(-4) + exp(-3), exp(-2) + 1],
    ]
    torch.testing.assert_close(closeness, torch.tensor(expected))


def test_a_sample_alone_is_close_to_nothing_and_copies_are_close_to_all():
    layer = MinibatchDiscrimination(6, kernels=4, kernel_dim=3)
    assert layer(torch.randn(1, 6)).abs().max() == 0
    torch.testing.assert_close(layer(torch.randn(1, 6).expand(5, 6)), torch.full((5, 4), 4.0))


def test_columns_begin_with_norm_one_and_both_derivatives_are_those_of_differences():
    layer = MinibatchDiscrimination(5, kernels=3, kernel_dim=2).double()
    torch.testing.assert_close(layer.tensor.norm(dim=0), torch.ones(3, 2, dtype=torch.double))
    features = torch.randn(4, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, features)
    assert torch.autograd.gradgradcheck(layer, features)


def test_bfloat16_features_are_compared_in_float32():
    layer = MinibatchDiscrimination(8)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(3, 8)).dtype == torch.float32


def test_dcgan_is_unchanged_by_a_head_of_zeros_and_sees_copies_with_it():
    torch.manual_seed(0)
    network = dcgan.Discriminator(8, 1, width=4, minibatch=lambda features: MinibatchDiscrimination(features, 7, 2))
    plain = dcgan.Discriminator(8, 1, width=4)
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if "minibatch" not in name})
    images = torch.randn(6, 1, 8, 8)
    assert network(images).features.shape == (6, 64 + 7)
    assert isinstance(network.minibatch_head, nn.Linear)
    nn.init.constant_(network.minibatch_head.weight, 1.0)
    difference = network.eval()(images).logits - plain.eval()(images).logits
    copies = images[:1].expand(6, 1, 8, 8)
    difference_of_copies = network(copies).logits - plain(copies).logits
    torch.testing.assert_close(difference_of_copies, torch.full((6,), 7 * 5.0))
    assert difference.max() < 7 * 5
    nn.init.zeros_(network.minibatch_head.weight)
    torch.testing.assert_close(network(images).logits, plain(images).logits)


def test_sizes_below_one_are_refused():
    with pytest.raises(GanforgeError, match=r"minibatch\.kernels must be .* >= 1, got 0"):
        MinibatchDiscrimination(4, kernels=0)


def test_it_trains_by_configuration_with_a_gradient_penalty():
    config = compose(["model=dcgan", "network=dcgan_minibatch", "network.width=8", "term=[r1]"])
    module, batch = instantiate(config.model), instantiate(config.data).example()
    preflight(module, batch)
    before = module.discriminator.minibatch.tensor.detach().clone()
    ManualLoop(module).step(batch)
    assert not torch.equal(before, module.discriminator.minibatch.tensor)
