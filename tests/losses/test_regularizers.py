"""Closed forms of the regularisers, and their state."""

import math

import pytest
import torch
from torch import nn

from ganforge.core.errors import GanforgeError
from ganforge.losses.path_length import PathLength
from ganforge.losses.regularizers import (
    Drift,
    FeatureMatching,
    HistoricalAveraging,
    LeCam,
    ModeSeeking,
    Orthogonal,
)
from ganforge.networks.critique import Critique
from ganforge.testing.steps import LinearGenerator, make_step

SHAPE = (2, 6, 6)


def judged(real, fake, **fields):
    return make_step(real_critique=Critique(torch.tensor(real)), fake_critique=Critique(torch.tensor(fake)), **fields)


def test_drift():
    assert Drift(weight=0.001)(judged([3.0, -1.0], [9.0])).item() == pytest.approx(5)


def test_lecam_and_its_anchors():
    term = LeCam(weight=0.3, decay=0.9)
    # Anchors start at the batch's means, 2 and -1: relu(D(x) + 1) = 2, 4; relu(2 - D(G(z))) = 2, 4.
    assert term(judged([1.0, 3.0], [0.0, -2.0])).item() == pytest.approx(10 + 10)
    # The next batch, means 0 and 5, moves them by a tenth: 1.8 and -0.4.
    expected = (0.4**2 + 0.4**2) / 2 + 0
    assert term(judged([0.0, 0.0], [5.0, 5.0])).item() == pytest.approx(expected, rel=1e-5)
    resumed = LeCam(weight=0.3, decay=0.9)
    resumed.load_state_dict(term.state_dict())
    step = judged([1.0, -4.0], [0.5, 2.0])
    assert resumed(step).item() == term(step).item()
    assert term.anchors.tolist() == pytest.approx([0.9 * 1.8 - 0.15, -0.9 * 0.4 + 0.125])


def test_lecam_waits():
    term = LeCam(weight=0.3, start_images=100)
    assert term(judged([1.0], [0.0], images_seen=0)).item() == 0
    assert term(judged([5.0], [4.0], images_seen=99)).item() == 0
    assert term.anchors.tolist() == [5.0, 4.0]
    assert term(judged([5.0], [4.0], images_seen=100)).item() == pytest.approx(2)
    with pytest.raises(GanforgeError, match="decay"):
        LeCam(weight=1, decay=1.0)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_orthogonal(player):
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Embedding(5, 4))
    step = make_step(networks={player: network})
    term = Orthogonal(weight=1e-4, player=player)
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]).reshape(3, 2, 1, 1))
    assert term(step).item() == 0  # orthogonal rows of any length; bias and embedding do not count
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 0.0], [3.0, 2.0], [0.0, 1.0]]).reshape(3, 2, 1, 1))
    # Products of rows: 3, 0 and 2, each twice in the matrix, of whose square the half counts.
    assert term(step).item() == pytest.approx(9 + 0 + 4)


def test_historical_averaging():
    network = nn.Linear(1, 2, bias=False)
    step = make_step(networks={"generator": network})
    term = HistoricalAveraging(weight=1, player="generator")
    values = []
    for weight in (1.0, 4.0, 7.0):
        with torch.no_grad():
            network.weight.fill_(weight)
        values.append(term(step).item())
    assert values == pytest.approx([0, 2 * 1.5**2, 2 * 3.0**2])  # means 1, 2.5, 4
    resumed = HistoricalAveraging(weight=1, player="generator")
    resumed.load_state_dict(term.state_dict())
    assert resumed(step).item() == term(step).item() == pytest.approx(2 * (7 - 4.75) ** 2)
    (gradient,) = torch.autograd.grad(term(step), network.weight)
    assert gradient.flatten().tolist() == pytest.approx([2 * (7 - 5.2)] * 2)


def test_feature_matching():
    real = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    fake = torch.tensor([[0.0, 0.0], [0.0, 2.0]], requires_grad=True)
    step = make_step(
        "generator",
        real_critique=Critique(torch.zeros(2), features=real),
        fake_critique=Critique(torch.zeros(2), features=fake),
    )
    value = FeatureMatching(weight=1)(step)
    assert value.item() == pytest.approx(2**2 + 2**2)
    of_real, of_fake = torch.autograd.grad(value, (real, fake), allow_unused=True)
    assert of_real is None
    assert of_fake.tolist() == [[-2.0, -2.0], [-2.0, -2.0]]
    with pytest.raises(GanforgeError, match="features"):
        FeatureMatching(weight=1)(make_step("generator", fake_critique=Critique(torch.zeros(2))))


@pytest.mark.parametrize("labelled", [False, True])
def test_mode_seeking(labelled):
    generator = LinearGenerator(torch.full((72, 2), 3.0), SHAPE)
    latent = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    condition = torch.tensor([0, 1]) if labelled else None
    step = make_step("generator", latent=latent, fake=generator(latent), fake_condition=condition, generate=generator)
    # |G(z1) - G(z2)| = 6 everywhere and |z1 - z2| = 1.
    value = ModeSeeking(weight=1)(step)
    assert value.item() == pytest.approx(1 / (6 + 1e-5), rel=1e-6)
    assert torch.autograd.grad(value, generator.matrix)[0].sum() < 0  # larger weights spread the images
    with pytest.raises(GanforgeError, match="batch_size"):
        ModeSeeking(weight=1)(make_step("generator", n=1))


@pytest.mark.parametrize("layers", [None, 3])
def test_path_length_of_a_linear_generator(layers):
    torch.manual_seed(0)
    # Orthonormal columns times 5: ||J^T y|| = 5 ||P y||, y / sqrt(36) normal, so E||J^T y||^2 = 25 * 2 / 36.
    basis = torch.linalg.qr(torch.randn(72, 2)).Q
    generator = LinearGenerator(5 * basis, SHAPE)
    latent = torch.randn(8000, 2)
    if layers:
        # The generator averages equal layers: each has a third of the gradient.
        generator.map = lambda latent, _: latent[:, None].repeat(1, layers, 1).requires_grad_()
        generator.synthesise = lambda styles: LinearGenerator.synthesise(generator, styles.mean(1))
    scale = 5 / 6 / (layers or 1)
    term = PathLength(weight=2, batch_shrink=1)
    step = make_step("generator", networks={"generator": generator}, latent=latent, fake_condition=None)
    value = term(step)
    mean = scale * math.sqrt(math.pi / 2)  # the mean of a Rayleigh variable
    assert term.mean.item() == pytest.approx(0.01 * mean, rel=0.03)
    assert value.item() == pytest.approx(scale**2 * 2 - mean**2 + (0.99 * mean) ** 2, rel=0.05)
    term.load_state_dict({"mean": torch.tensor(mean)})
    assert term(step).item() == pytest.approx(scale**2 * 2 - mean**2, rel=0.06)
    assert torch.autograd.grad(term(step), generator.matrix)[0].abs().sum() > 0


def test_path_length_refuses():
    with pytest.raises(GanforgeError, match="map and synthesise"):
        PathLength(weight=2)(make_step("generator", networks={"generator": nn.Linear(1, 1)}))
    with pytest.raises(GanforgeError, match="decay"):
        PathLength(weight=2, decay=0)
    with pytest.raises(GanforgeError, match="batch_shrink"):
        PathLength(weight=2, batch_shrink=0)


def test_state_starts_loads_and_is_plain_tensors():
    for term in (LeCam(weight=1), HistoricalAveraging(weight=1), PathLength(weight=1)):
        term.load_state_dict(term.state_dict())
        term(make_step(term.player))
        assert all(type(value) is torch.Tensor and not value.requires_grad for value in term.state_dict().values())
    assert Drift(weight=1).state_dict() == {}
