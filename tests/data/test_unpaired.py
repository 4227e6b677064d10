"""Columns beside the data: unpaired ones have a batch order of their own, paired ones are transformed alike."""

from collections.abc import Iterable
from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import LABEL, Batch, Column, Split, Splits
from ganforge.data.images import normalise
from ganforge.data.modality import Images, Labels
from ganforge.data.module import DataModule
from ganforge.data.order import BatchOrder, TrainingBatches, decoded

BATCHES = 12


def numbered(count: int, flip: float = 0.0) -> Column:
    """Images that show their row's number at the left, so that mirroring is seen."""
    images = torch.zeros(count, 1, 2, 3, dtype=torch.uint8)
    images[:, :, :, 0] = torch.arange(count, dtype=torch.uint8)[:, None, None] + 1
    return Column(images, Images((2, 3), 1, horizontal_flip=flip))


class Ready:
    """A source whose splits are made already."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def load(self, modality: Images) -> Splits:
        return Splits(self.split, self.split)


def unpaired(count: int = 20, others: int = 13) -> Split:
    return Split(numbered(count), {"source": numbered(others)}, paired=False)


def rows(images: Tensor) -> list[int]:
    return (images.flatten(1).amax(1).long() - 1).tolist()


def joined(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def drawn(
    split: Split, *, seed: int = 0, start: int = 0, rank: int = 0, world: int = 1, count: int = BATCHES
) -> list[Batch]:
    order = BatchOrder(len(split), 6, seed, lambda: start, rank, world)
    batches = TrainingBatches(split, order)
    return [batches[at] for at, _ in zip(order, range(count), strict=False)]


def of_source(batches: list[Batch]) -> list[list[int]]:
    return [rows(batch.given["source"]) for batch in batches]


def test_the_order_is_a_function_of_seed_and_position_and_not_the_data_s() -> None:
    known = of_source(drawn(unpaired()))
    assert of_source(drawn(unpaired())) == known
    assert of_source(drawn(unpaired(), seed=1)) != known
    alike = drawn(unpaired(20, 20))
    assert of_source(alike) != [rows(batch.data) for batch in alike]
    other = Split(numbered(20), {"source": numbered(13), "target": numbered(13)}, paired=False)
    both = drawn(other)
    assert of_source(both) == known  # another column changes nothing
    assert [rows(batch.given["target"]) for batch in both] != known


def test_each_column_passes_through_its_own_epochs() -> None:
    batches = drawn(unpaired(20, 13), count=26)
    flat = joined(of_source(batches))
    for epoch in range(12):
        assert sorted(flat[13 * epoch : 13 * (epoch + 1)]) == list(range(13))
    data = joined(rows(batch.data) for batch in batches)
    assert sorted(data[:20]) == sorted(data[20:40]) == list(range(20))


@pytest.mark.parametrize("others", [3, 50])
def test_lengths_may_differ_either_way(others: int) -> None:
    batches = drawn(unpaired(20, others))
    assert all(len(batch.given["source"]) == len(batch.data) == 6 for batch in batches)


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_together_draw_the_same(world: int) -> None:
    whole = drawn(unpaired())
    parts = [drawn(unpaired(), rank=rank, world=world) for rank in range(world)]
    for number, batch in enumerate(whole):
        shares = [part[number] for part in parts]
        together = joined(rows(share.given["source"]) for share in shares)
        assert sorted(together) == sorted(rows(batch.given["source"]))
        assert sorted(joined(rows(share.data) for share in shares)) == sorted(rows(batch.data))
        assert {len(share.given["source"]) for share in shares} == {6 // world}


def test_resuming_replays_nothing() -> None:
    whole, later = drawn(unpaired()), drawn(unpaired(), start=30, count=BATCHES - 5)
    assert of_source(later) == of_source(whole)[5:]
    assert [rows(batch.data) for batch in later] == [rows(batch.data) for batch in whole[5:]]


def test_through_the_data_module_and_its_clock() -> None:
    def batches(images_seen: int, count: int) -> list[list[int]]:
        data = DataModule(Ready(unpaired()), Images((2, 3), 1), given={"source": Images((2, 3), 1)}, batch_size=6)
        data.trainer = SimpleNamespace(lightning_module=SimpleNamespace(images_seen=images_seen))
        loader = iter(data.train_dataloader())
        return of_source([next(loader) for _ in range(count)])

    assert batches(0, 7) == of_source(drawn(unpaired()))[:7]
    assert batches(18, 4) == batches(0, 7)[3:]


def mirrored(images: Tensor) -> list[bool]:
    """Which of decoded numbered images are mirrored."""
    assert (images[..., 1] == -1).all()
    left, right = (images[:, 0, 0, side] > -1 for side in (0, 2))
    assert (left ^ right).all()
    return right.tolist()


def test_paired_images_are_mirrored_alike() -> None:
    given = {"source": numbered(20), LABEL: Column(torch.arange(20), Labels(20))}
    split = Split(numbered(20, flip=0.5), given)
    seen = [decoded(batch, split) for batch in drawn(split)]
    flips = joined(mirrored(batch.data) for batch in seen)
    assert set(flips) == {True, False}
    assert flips == joined(mirrored(batch.given["source"]) for batch in seen)
    assert set(seen[0].given) == {"source", LABEL}
    for stored, batch in zip(drawn(split), seen, strict=True):
        assert torch.equal(batch.label, stored.label)
        assert rows(stored.given["source"]) == rows(stored.data) == batch.label.tolist()


def test_unpaired_images_are_mirrored_each_by_its_own_probability() -> None:
    split = Split(numbered(20, flip=0.5), {"source": numbered(13, flip=0.5), "target": numbered(9)}, paired=False)
    seen = [decoded(batch, split) for batch in drawn(split)]
    flips = {name: joined(mirrored(batch.given[name]) for batch in seen) for name in ("source", "target")}
    assert set(flips["source"]) == {True, False}
    assert flips["source"] != joined(mirrored(batch.data) for batch in seen)
    assert set(flips["target"]) == {False}
    again = [decoded(batch, split) for batch in drawn(split, start=30, count=BATCHES - 5)]
    assert all(torch.equal(one.given["source"], two.given["source"]) for one, two in zip(again, seen[5:], strict=True))


def test_without_mirroring_columns_are_what_is_stored() -> None:
    split = unpaired()
    for batch in drawn(split):
        seen = decoded(batch, split)
        assert torch.equal(seen.data, normalise(batch.data))
        assert torch.equal(seen.given["source"], normalise(batch.given["source"]))


def test_towards_a_column_keeps_what_is_paired() -> None:
    paired = Split(numbered(20), {"source": numbered(20), LABEL: Column(torch.arange(20), Labels(20))})
    assert set(paired.towards("source").given) == {LABEL}
    assert paired.towards(None) is paired
    assert not unpaired().towards("source").given
    assert len(unpaired().towards("source")) == 13
    with pytest.raises(GanforgeError, match="no column 'text'"):
        paired.towards("text")


def test_held_out_columns_by_name() -> None:
    data = DataModule(Ready(unpaired()), Images((2, 3), 1), batch_size=6)
    assert len(data.heldout("source")) == 13
    with pytest.raises(GanforgeError, match="no column 'text': its columns are data, source"):
        data.heldout("text")


def test_given_columns_are_fitted_to_their_own_modality() -> None:
    data = DataModule(Ready(unpaired()), Images((2, 3), 1), given={"source": Images((4, 6), 3)}, batch_size=6)
    assert data.splits().train.given["source"].read().shape == (13, 3, 4, 6)
    example = data.example()
    assert example.data.shape[1:] == (1, 2, 3)
    assert example.given["source"].shape[1:] == (3, 4, 6)
