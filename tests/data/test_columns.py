"""Columns and splits: what is taken, read and batched is what was stored; fingerprints; value ranges of modalities."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import LABEL, Batch, Column, Split, labelled
from ganforge.data.modality import Images, Labels, Vectors

#: Stored pixels, on many shapes: height and width, channels.
SHAPES = [((4, 4), 1), ((3, 5), 2), ((6, 2), 3), ((1, 7), 5)]


def pixels(count: int, sides: tuple[int, int] = (3, 5), channels: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, *sides), dtype=torch.uint8, generator=generator)


def column(count: int = 20, seed: int = 0) -> Column:
    return Column(pixels(count, seed=seed), Images((3, 5), 2))


@pytest.mark.parametrize(("sides", "channels"), SHAPES)
def test_encoding_inverts_decoding_of_every_byte(sides: tuple[int, int], channels: int) -> None:
    modality = Images(sides, channels)
    every = torch.arange(256, dtype=torch.uint8).repeat_interleave(channels * sides[0] * sides[1])
    stored = every.view(256, channels, *sides)
    samples = modality.decode(stored)
    assert samples.shape[1:] == modality.shape
    assert (samples.min(), samples.max()) == (-1, 1)
    assert torch.equal(modality.clamp(samples), samples)
    assert torch.equal(modality.encode(samples), stored)
    assert torch.equal(modality.encode(modality.clamp(3 * samples)), modality.encode(3 * samples))


@pytest.mark.parametrize(("sides", "channels"), SHAPES)
def test_examples_are_samples_and_pictures_show_them(sides: tuple[int, int], channels: int) -> None:
    modality = Images(sides, channels)
    examples = modality.example(6, torch.Generator().manual_seed(0))
    assert examples.shape == (6, *modality.shape)
    assert examples.abs().max() <= 1
    picture = modality.picture(modality.encode(examples), columns=3)
    assert picture.dtype == torch.uint8
    assert picture.shape == (3, 2 * (sides[0] + 2) + 2, 3 * (sides[1] + 2) + 2)
    assert modality.embed(examples).shape[0] == 6


def test_two_channels_are_red_and_green() -> None:
    stored = pixels(2)
    picture = Images((3, 5), 2).picture(stored, columns=1)
    assert torch.equal(picture[:2, 2:5, 2:7], stored[0])
    assert torch.equal(picture[:2, 7:10, 2:7], stored[1])
    assert picture[2, 2:5, 2:7].max() == 0


def test_vectors_are_the_same_in_store_and_for_networks() -> None:
    vectors = torch.randn(5, 3)
    modality = Vectors(3)
    assert torch.equal(modality.encode(modality.decode(vectors)), vectors)
    assert modality.picture(vectors).shape == (3, 5, 3)
    assert modality.example(4, torch.Generator().manual_seed(0)).shape == (4, 3)
    with pytest.raises(GanforgeError, match="at least 1 coordinate"):
        Vectors(0)


@pytest.mark.parametrize("seed", range(5))
def test_taking_twice_is_taking_the_rows_rows(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    stored = pixels(20)
    first, second = torch.randint(20, (12,), generator=generator), torch.randint(12, (7,), generator=generator)
    taken = Column(stored, Images((3, 5), 2)).take(first)
    assert len(taken) == 12
    assert torch.equal(taken.read(), stored[first])
    assert torch.equal(taken.take(second).read(), stored[first][second])
    assert torch.equal(taken[second], stored[first][second])


def test_memory_mapped_columns_are_like_those_in_memory(tmp_path) -> None:
    stored = pixels(20)
    np.save(tmp_path / "images.npy", stored.numpy())
    mapped = Column(np.load(tmp_path / "images.npy", mmap_mode="r"), Images((3, 5), 2))
    rows = torch.tensor([3, 0, 19, 3])
    assert torch.equal(mapped[rows], stored[rows])
    assert torch.equal(mapped.take(rows).read(), stored[rows])
    assert mapped.fingerprint == Column(stored, mapped.modality).fingerprint


def test_fingerprints_change_exactly_when_a_sample_does() -> None:
    stored = pixels(20)
    modality = Images((3, 5), 2)
    known = Column(stored, modality).fingerprint
    assert Column(stored.clone(), modality).fingerprint == known
    for place in [(0, 0, 0, 0), (19, 1, 2, 4), (7, 1, 0, 3)]:
        changed = stored.clone()
        changed[place] += 1
        assert Column(changed, modality).fingerprint != known
    assert Column(stored[:19], modality).fingerprint != known
    assert Column(stored.flip(0), modality).fingerprint != known
    assert Column(stored.view(20, 2, 5, 3), Images((5, 3), 2)).fingerprint != known


def test_rows_of_a_larger_column_have_the_fingerprint_of_what_they_are() -> None:
    whole, rows = column(), torch.tensor([4, 2, 9])
    assert whole.take(rows).fingerprint == Column(whole[rows], whole.modality).fingerprint
    assert whole.take(torch.arange(20)).fingerprint == whole.fingerprint
    assert whole.take(rows).fingerprint != whole.take(rows.flip(0)).fingerprint
    assert whole.take(rows, identity="known").fingerprint == "known"


def test_a_batch_holds_the_same_rows_of_every_column() -> None:
    split = Split(
        column(), {LABEL: Column(torch.arange(20), Labels(20)), "vector": Column(torch.rand(20, 3), Vectors(3))}
    )
    rows = torch.tensor([5, 5, 0, 19])
    batch = split.batch(rows)
    assert torch.equal(batch.data, split.data.read()[rows])
    assert torch.equal(batch.label, rows)
    assert torch.equal(batch.given["vector"], split.given["vector"].read()[rows])
    taken = split.take(rows)
    assert torch.equal(taken.label, rows)
    assert torch.equal(taken.batch(torch.tensor([2])).given["vector"], split.given["vector"][rows[2:3]])


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_of_a_batch_together_are_the_batch(parts: int) -> None:
    batch = Batch(torch.arange(8), {"label": torch.arange(8) * 2, "vector": torch.rand(8, 3)})
    cut = batch.split(parts)
    assert len(cut) == parts
    assert torch.equal(torch.cat([part.data for part in cut]), batch.data)
    for name, given in batch.given.items():
        assert torch.equal(torch.cat([part.given[name] for part in cut]), given)
    doubled = batch.map(lambda column: column * 2)
    assert torch.equal(doubled.data, batch.data * 2)
    assert torch.equal(doubled.given["vector"], batch.given["vector"] * 2)


def test_a_split_without_labels_has_none() -> None:
    assert labelled(column(), None).label is None
    assert labelled(column(), torch.arange(20) % 4).given[LABEL].modality.classes == 4
    assert column(0).fingerprint != column(1).fingerprint


@pytest.mark.parametrize("image_size", [0, -1, [8], [8, 0], [8, 8, 8], [8, "a"], 8.5, "8"])
def test_impossible_sizes(image_size) -> None:
    with pytest.raises(
        GanforgeError, match=r"data\.image_size must be a whole number of pixels >= 1, or \[height, width\]"
    ):
        Images(image_size, 1)
