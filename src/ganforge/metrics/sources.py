"""Sources of the samples to evaluate: a generator, or stored samples."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import sub_seed, torch_generator
from ganforge.data.columns import DATA, Batch, Split
from ganforge.data.modality import Images
from ganforge.metrics.latent_pairs import latent_pairs, seeded
from ganforge.metrics.protocol import HeldOutRows, Sampling
from ganforge.sampling.sampler import Inputs, Sampler

__all__ = ["BESIDE", "Drawn", "Generated", "Source", "Stored"]

#: Names of images that go with translated samples.
BESIDE = ("target_images", "source_images", "cycle_images")


class Drawn(NamedTuple):
    """A batch of samples.

    Attributes:
        samples: ``(n, ...)`` as they are stored: images are uint8.
        labels: ``(n,)`` int64, the classes that they are of; ``None`` without.
        finite: whether no value was infinite or not a number before it was stored.
        beside: functions that give images ``(n, ...)`` that go with the samples, as they are stored, by their names in
            a :class:`~ganforge.metrics.comparison.Comparison`.
    """

    samples: Tensor
    labels: Tensor | None
    finite: bool = True
    beside: Mapping[str, Callable[[], Tensor]] = {}


class Source(Protocol):
    """Numbered batches; a batch is a function of its number, so that ranks can share them out."""

    @property
    def target(self) -> str | None:
        """The given column of the dataset that the samples are compared with; ``None``: ``data``."""

    @property
    def order(self) -> Tensor | None:
        """Which sample of a stored set comes when, ``(n,)``; ``None`` for samples that are drawn."""

    @property
    def path_pairs(self) -> Callable[..., tuple[Tensor, Tensor]] | None:
        """Draws samples at both ends of small steps of the latent; ``None`` without latents to move in."""

    def beside(self, sampling: Sampling) -> frozenset[str]:
        """Return the names of the images that go with its samples.

        Raises:
            GanforgeError: if it cannot be sampled so.
        """

    def limit(self) -> int | None:
        """Return how many samples there are; ``None`` for any number."""

    def session(self, sampling: Sampling) -> AbstractContextManager[None]:
        """Return a context in which batches are drawn."""

    def batch(self, number: int, sampling: Sampling) -> Drawn:
        """Return the batch of ``sampling.batch_size`` samples (the last of a finite source may be smaller)."""


class Stored:
    """Samples of a dataset, folder or file, in an order drawn once: what is sorted by class has no typical beginning.

    Args:
        split: the samples, with their labels where there are any.

    Attributes:
        order: ``(n,)``, which sample comes when.
    """

    target = None
    path_pairs = None

    def __init__(self, split: Split) -> None:
        self.split = split
        self.order = torch.randperm(len(split), generator=torch_generator(0, "stored"))

    def beside(self, sampling: Sampling) -> frozenset[str]:
        """See :class:`Source`."""
        return frozenset()

    def limit(self) -> int | None:
        """See :class:`Source`."""
        return len(self.split)

    def session(self, sampling: Sampling) -> AbstractContextManager[None]:
        """See :class:`Source`."""
        return nullcontext()

    def batch(self, number: int, sampling: Sampling) -> Drawn:
        """See :class:`Source`."""
        start = number * sampling.batch_size
        batch = self.split.batch(self.order[start : start + sampling.batch_size])
        return Drawn(batch.data, batch.label)


class Generated:
    """Samples from a generator.

    Args:
        sampler: of the generator.
        heldout: the split whose rows are translated where a protocol asks for that.
    """

    order = None

    def __init__(self, sampler: Sampler, heldout: Split | None = None) -> None:
        self.sampler, self.heldout = sampler, heldout
        self.target = sampler.target

    @property
    def path_pairs(self) -> Callable[..., tuple[Tensor, Tensor]] | None:
        """See :class:`Source`."""
        return None if self.sampler.latent is None else partial(latent_pairs, self.sampler)

    def beside(self, sampling: Sampling) -> frozenset[str]:
        """See :class:`Source`: of held-out rows the source, the target where there is one, and the way back."""
        if not isinstance(sampling, HeldOutRows):
            return frozenset()
        if self.heldout is None or self.sampler.conditioning is None:
            raise GanforgeError(
                "A protocol translates held-out pictures, and this generator takes none: choose another one, such as "
                "protocol=[offline], or a model that is conditioned on them."
            )
        source = self.sampler.source
        given = {
            "source_images": source is not None and isinstance(self.heldout.column(source).modality, Images),
            "target_images": self.heldout.paired and source not in (None, self.target or DATA),
            "cycle_images": self.sampler.inverse is not None,
        }
        return frozenset(name for name, is_given in given.items() if is_given)

    def limit(self) -> int | None:
        """See :class:`Source`."""
        return None

    @contextmanager
    def session(self, sampling: Sampling) -> Iterator[None]:
        """See :class:`Source`; batch norms are in the protocol's mode meanwhile."""
        sampler = self.sampler.with_weights(sampling.weights)
        how = {"seed": sampling.seed, "batch_size": sampling.batch_size}
        with sampler.evaluating(sampling.batch_norm, truncation=sampling.truncation, **how):
            yield

    def _samples(self, inputs: Inputs, sampling: Sampling, noise: int) -> Tensor:
        """Return samples as networks see them, noise inside the network seeded by ``noise``."""
        sampler = self.sampler.with_weights(sampling.weights)
        with seeded(noise, sampler.device):
            return sampler.generate(inputs, truncation=sampling.truncation)

    @torch.no_grad()
    def batch(self, number: int, sampling: Sampling) -> Drawn:
        """See :class:`Source`."""
        stream = torch_generator(sampling.seed, "samples", number, device=self.sampler.device)
        if isinstance(sampling, HeldOutRows):
            return self._translated(number, sampling, stream)
        inputs = self.sampler.inputs(sampling.batch_size, stream)
        samples = self._samples(inputs, sampling, sub_seed(sampling.seed, "noise", number))
        labels = None if self.sampler.classes is None else inputs.condition
        return Drawn(self.sampler.modality.encode(samples), labels, bool(samples.isfinite().all()))

    def _translated(self, number: int, sampling: Sampling, stream: torch.Generator) -> Drawn:
        """Return samples of the held-out split's own conditions, one a row, with what goes with them."""
        names = self.beside(sampling)
        sampler = self.sampler.with_weights(sampling.weights)
        assert self.heldout is not None
        assert sampler.conditioning is not None
        split, device = self.heldout, sampler.device
        rows = torch.arange(number * sampling.batch_size, (number + 1) * sampling.batch_size) % len(split)
        stored = split.batch(rows)
        given = {name: column.modality.decode(stored.given[name].to(device)) for name, column in split.given.items()}
        batch = Batch(split.data.modality.decode(stored.data.to(device)), given)
        inputs = sampler.inputs(len(rows), stream, sampler.conditioning(batch))
        samples = self._samples(inputs, sampling, sub_seed(sampling.seed, "noise", number))
        columns = {DATA: stored.data, **stored.given}
        known: dict[str, Callable[[], Tensor]] = {
            "source_images": lambda: columns[sampler.source or DATA],
            "target_images": lambda: columns[self.target or DATA],
            "cycle_images": partial(self._back, sampler.inverse, sampling.weights, samples),
        }
        beside = {name: known[name] for name in names}
        labels = None if sampler.classes is None else inputs.condition
        return Drawn(sampler.modality.encode(samples), labels, bool(samples.isfinite().all()), beside)

    @staticmethod
    @torch.no_grad()
    def _back(inverse: Sampler | None, weights: Literal["ema", "raw"], samples: Tensor) -> Tensor:
        assert inverse is not None
        inverse = inverse.with_weights(weights)
        with inverse.evaluating():
            return inverse.modality.encode(inverse.generate(Inputs(None, samples)))
