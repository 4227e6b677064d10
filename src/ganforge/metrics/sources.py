"""Sources of the samples to evaluate: a generator, or stored samples."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import sub_seed, torch_generator
from ganforge.data.columns import DATA, TEXT, UNSEEN, Batch, Split
from ganforge.data.texts import Texts
from ganforge.latents import Normal, slerp
from ganforge.metrics.comparison import Place, Space
from ganforge.metrics.protocol import HeldOutRows, Sampling
from ganforge.sampling.sampler import Inputs, Sampler

__all__ = ["BESIDE", "Drawn", "Generated", "Source", "Stored"]

#: Names of what goes with samples of held-out rows: pictures, and captions as UTF-8 bytes.
BESIDE = ("target_images", "source_images", "cycle_images", "captions", "unseen")


class Drawn(NamedTuple):
    """A batch of samples.

    Attributes:
        samples: ``(n, ...)`` as they are stored: images are uint8.
        labels: ``(n,)`` int64, the classes that they are of; ``None`` without.
        finite: whether no value was infinite or not a number before it was stored.
        beside: functions that give what goes with the samples, ``(n, ...)``, by its name in a
            :class:`~ganforge.metrics.comparison.Comparison`: images as they are stored, captions as bytes.
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
        return Drawn(batch.data, batch.label, beside=_told(self.split, batch))


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
        return None if self.sampler.latent is None else self._path_pairs

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
        with _seeded(noise, sampler.device):
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
        sampler = self.sampler.with_weights(sampling.weights)
        if self.heldout is None or sampler.conditioning is None:
            raise GanforgeError(
                "A protocol translates held-out pictures, and this generator takes none: choose one such as "
                "protocol=[offline], or a model that is conditioned on them."
            )
        split, device = self.heldout, sampler.device
        rows = torch.arange(number * sampling.batch_size, (number + 1) * sampling.batch_size) % len(split)
        stored = split.batch(rows)
        given = {name: column.modality.decode(stored.given[name].to(device)) for name, column in split.given.items()}
        batch = Batch(split.data.modality.decode(stored.data.to(device)), given)
        inputs = sampler.inputs(len(rows), stream, sampler.conditioning(batch))
        samples = self._samples(inputs, sampling, sub_seed(sampling.seed, "noise", number))
        key, beside = sampler.conditioning.key, dict[str, Callable[[], Tensor]]()
        columns = {DATA: stored.data, **stored.given}
        if key in columns and columns[key].ndim == samples.ndim:
            beside["source_images"] = lambda: columns[key]
        if split.paired:
            beside["target_images"] = lambda: columns[self.target or DATA]
        if sampler.inverse is not None:
            beside["cycle_images"] = partial(self._back, sampler.inverse.with_weights(sampling.weights), samples)
        beside |= _told(split, stored)
        labels = None if sampler.classes is None else inputs.condition
        return Drawn(sampler.modality.encode(samples), labels, bool(samples.isfinite().all()), beside)

    @staticmethod
    @torch.no_grad()
    def _back(inverse: Sampler, samples: Tensor) -> Tensor:
        with inverse.evaluating():
            return inverse.modality.encode(inverse.generate(Inputs(None, samples)))

    @torch.no_grad()
    def _path_pairs(
        self,
        n: int,
        epsilon: float,
        generator: torch.Generator,
        sampling: Sampling,
        space: Space = "z",
        at: Place = "full",
    ) -> tuple[Tensor, Tensor]:
        """See :class:`~ganforge.metrics.comparison.PathPairs`.

        Normal latents are joined along great circles, others and styles along straight lines (Karras et al. 2019,
        equations 2 and 3). Noise inside the network is the same at both ends, as in StyleGAN's code: the samples differ
        by the step alone.
        """
        noise = sub_seed(generator.initial_seed(), "noise")
        (first, condition), (second, _) = (self.sampler.inputs(n, generator) for _ in range(2))
        assert first is not None
        assert second is not None
        t = torch.rand(n, 1, generator=generator, device=self.sampler.device) * (at == "full")
        if space == "w":
            return self._style_pairs((first, second), condition, (t, t + epsilon), sampling, noise)
        join = _great_circle if isinstance(self.sampler.latent, Normal) else torch.lerp
        before, after = (
            self._samples(Inputs(join(first, second, share), condition), sampling, noise) for share in (t, t + epsilon)
        )
        return before, after

    def _style_pairs(
        self,
        latents: tuple[Tensor, Tensor],
        condition: Tensor | None,
        shares: tuple[Tensor, Tensor],
        sampling: Sampling,
        noise: int,
    ) -> tuple[Tensor, Tensor]:
        """Return samples at two shares of the way between the styles of two latents."""
        sampler = self.sampler.with_weights(sampling.weights)
        if not sampler.has_styles:
            raise GanforgeError(
                f"space=w is the space of styles, and {type(sampler.network).__name__} has none: choose space=z."
            )
        first, second = (sampler.styles(Inputs(latent, condition), sampling.truncation) for latent in latents)
        drawn = []
        for share in shares:
            with _seeded(noise, sampler.device):
                drawn.append(sampler.synthesise(torch.lerp(first, second, share[..., None])))
        return drawn[0], drawn[1]


def _told(split: Split, stored: Batch) -> dict[str, Callable[[], Tensor]]:
    """Return captions as bytes, and which are of unseen combinations; nothing where the data have no captions."""
    texts = split.given[TEXT].modality if TEXT in split.given else None
    if not isinstance(texts, Texts):
        return {}
    tokens = stored.given[TEXT]
    seen = torch.zeros(len(tokens), dtype=torch.int64)
    return {"captions": lambda: texts.to_bytes(tokens), "unseen": lambda: stored.given.get(UNSEEN, seen)}


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global stream, from which noise inside a network (StyleGAN2's) comes, and leave it as it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _great_circle(first: Tensor, second: Tensor, t: Tensor) -> Tensor:
    """Interpolate directions spherically at unit length scaled back to a normal latent's root-mean-square of 1."""
    return slerp(F.normalize(first, dim=1), F.normalize(second, dim=1), t) * float(first.shape[1] ** 0.5)
