"""What holds for every kind of samples and every dataset."""

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Split
from ganforge.data.modality import Modality
from ganforge.data.module import Source
from ganforge.testing.expect import name_of, require, require_finite

__all__ = ["check_modality", "check_source"]


def check_modality(modality: Modality, stored: Tensor | None = None) -> None:
    """Check that a kind of samples can be stored, seen by networks, compared, shown to a person and transformed.

    Args:
        modality: of any shape.
        stored: some samples as datasets hold them; ``None``: what becomes of the made-up ones.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    name = name_of(modality)
    require(isinstance(getattr(modality, "name", None), str), f"{name} must have a name, by which metrics know it.")
    example = modality.example(5, torch.Generator().manual_seed(0))
    again = modality.example(5, torch.Generator().manual_seed(0))
    wanted = (5, *modality.shape)
    require(tuple(example.shape) == wanted, f"{name}.example must have shape {wanted}, got {tuple(example.shape)}.")
    require(torch.equal(example, again), f"{name}.example must draw from the generator that it is given.")
    stored = modality.encode(example) if stored is None else stored
    seen = modality.decode(stored)
    require(seen.shape[1:] == example.shape[1:], f"{name}.decode must give samples of shape {modality.shape}.")
    back = modality.encode(seen)
    same = back.dtype == stored.dtype and torch.equal(back, stored)
    require(same, f"{name}.encode must give back what {name}.decode was given: files would differ from the dataset.")
    require(modality.fit(stored) is stored, f"{name}.fit must return samples of its shape themselves.")
    require(torch.equal(modality.clamp(seen), seen), f"{name}.clamp must leave decoded samples as they are.")
    vectors = modality.embed(seen)
    require(vectors.ndim == 2 and len(vectors) == len(seen), f"{name}.embed must give (n, d), got {vectors.shape}.")
    require_finite([vectors], f"{name}.embed must give finite vectors.")
    _check_picture(modality, stored, name)
    choice = modality.choose(len(seen), torch.Generator().manual_seed(0))
    require(len(choice) == len(seen), f"{name}.choose must draw one choice a sample.")
    if modality.is_transformed:
        changed = modality.transform(seen, choice)
        require(changed.shape == seen.shape and changed.dtype == seen.dtype, f"{name}.transform must keep the shape.")


def _check_picture(modality: Modality, stored: Tensor, name: str) -> None:
    try:
        picture = modality.picture(stored)
    except GanforgeError:
        return  # there is nothing to see of some kinds, and they say so
    right = picture.ndim == 3 and picture.shape[0] == 3 and picture.dtype == torch.uint8
    require(right, f"{name}.picture must be (3, H, W) uint8, got {tuple(picture.shape)} {picture.dtype}.")


def check_source(source: Source, modality: Modality) -> None:
    """Check that a dataset gives the same two splits each time, of samples that networks can see.

    Args:
        source: what to load.
        modality: what its samples are to be.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    name = name_of(source)
    splits, again = source.load(modality), source.load(modality)
    require(len(splits.train) > 0, f"{name} gives no sample to train on.")
    for part, first, second in (
        ("training", splits.train, again.train),
        ("held-out", splits.heldout, again.heldout),
    ):
        same = first.data.fingerprint == second.data.fingerprint
        require(same, f"{name}'s {part} samples differ from one call of load to the next: draw with a fixed seed.")
        _check_split(first, f"{name}'s {part} split", modality)
    require(splits.train.given.keys() == splits.heldout.given.keys(), f"{name}'s splits must have the same columns.")
    kept = splits.heldout.paired or not splits.train.paired  # pairs that training never sees may be kept for scoring
    require(kept, f"{name}'s held-out split must be paired where the training split is.")


def _check_split(split: Split, what: str, modality: Modality) -> None:
    kind = split.data.modality.name
    require(kind == modality.name, f"{what} holds {kind} and was asked for {modality.name}.")
    for name, column in split.given.items():
        fits = not split.paired or len(column) == len(split)
        require(
            fits, f"{what} has {len(split)} samples and {len(column)} of '{name}': a paired column has one for each."
        )
    if not len(split):
        return
    batch = split.batch(torch.tensor([0, len(split) - 1]))
    fitted = modality.fit(batch.data)
    seen = modality.decode(fitted if isinstance(fitted, Tensor) else torch.from_numpy(fitted))
    wanted = (2, *modality.shape)
    require(tuple(seen.shape) == wanted, f"{what} gives samples of shape {tuple(seen.shape)}, and {wanted} is wanted.")
    require_finite([seen.float()], f"{what} holds samples that are not finite.")
    label = split.label
    if label is not None:
        right = label.dtype == torch.int64 and label.ndim == 1 and int(label.min()) >= 0
        require(right, f"{what} must have int64 labels (n,) from 0 on.")
