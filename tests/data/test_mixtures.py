import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganforge.core.errors import GanforgeError
from ganforge.data.mixtures import Grid, Mixture, MixtureSample, Points, Ring
from ganforge.data.module import DataModule


def data_of(mixture: Mixture, batch_size: int, seed: int = 0, **options: Any) -> DataModule:
    source = MixtureSample(mixture, seed=seed, **options)
    return DataModule(source, Points(mixture), batch_size=batch_size, seed=seed)


def test_ring_has_eight_distinct_modes_at_radius_one() -> None:
    centres = Ring().centres
    assert centres.shape == (8, 2)
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(8))
    nearest = (torch.cdist(centres, centres) + 9 * torch.eye(8)).min(1).values
    torch.testing.assert_close(nearest, torch.full((8,), 2 * math.sin(math.pi / 8)))


def test_grid_has_pacgan_s_places() -> None:
    places = [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert sorted(map(tuple, Grid().centres.tolist())) == sorted((x, y) for x in places for y in places)


@pytest.mark.parametrize("mixture", [Ring(), Grid()])
def test_sample_has_the_mixture_s_moments(mixture: Ring | Grid) -> None:
    sample = data_of(mixture, batch_size=100).splits().train
    assert (len(sample), sample.data.values.dtype) == (100_000, torch.float32)
    assert sample.label is not None
    noise = sample.data.read() - mixture.centres[sample.label]
    assert noise.std().item() == pytest.approx(mixture.sigma, rel=0.01)
    shares = torch.bincount(sample.label) / 100_000
    assert (shares * len(mixture.centres)).sub(1).abs().max() < 0.08


def test_batches_are_labelled_points_and_a_function_of_seed_and_clock() -> None:
    def batches(seed: int, images_seen: int, count: int) -> list[Any]:
        data = data_of(Ring(), batch_size=10, points=35, seed=seed)
        data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(images_seen=images_seen))  # type: ignore[assignment]
        loader = iter(data.train_dataloader())
        return [next(loader) for _ in range(count)]

    whole, resumed = batches(0, 0, 6), batches(0, 30, 3)
    for one, other in zip(whole[3:], resumed, strict=True):
        assert torch.equal(one.data, other.data)
        assert torch.equal(one.label, other.label)
    assert whole[0].data.shape == (10, 2)
    distances = torch.cdist(whole[0].data, Ring().centres)
    assert torch.equal(distances.argmin(1), whole[0].label)
    assert not torch.equal(batches(1, 0, 1)[0].data, whole[0].data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ring(modes=0), "modes"),
        (lambda: Ring(sigma=0.0), "sigma"),
        (lambda: Grid(side=0), "side"),
        (lambda: data_of(Ring(), batch_size=0), "batch_size"),
        (lambda: data_of(Ring(), batch_size=1, points=0), "points"),
    ],
)
def test_refusals(make: Any, message: str) -> None:
    with pytest.raises(GanforgeError, match=message):
        make()
