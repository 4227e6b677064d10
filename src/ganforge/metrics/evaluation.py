"""Protocols applied to one source of images against one dataset: one pass over the images, on any number of ranks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganforge.core.distributed import rank, world_size
from ganforge.core.errors import GanforgeError
from ganforge.data.columns import Column, Split, Splits
from ganforge.metrics.comparison import Comparison
from ganforge.metrics.extractors import Features, Loaded
from ganforge.metrics.protocol import HeldOutRows, Protocol, Sampling
from ganforge.metrics.real import RealSide
from ganforge.metrics.shares import Gathered, Share, gather, refuse_infinite
from ganforge.metrics.sources import BESIDE, Source

__all__ = ["Evaluation"]

#: Is shown a protocol's name, what its values' names begin with, and the comparison.
OnComparison = Callable[[str, str, Comparison], None]


class Evaluation:
    """Scores images under protocols.

    Images come in numbered batches, each from a random stream of its own, and ranks take them in turn: the set is the
    same on any number of ranks. Protocols that sample alike share the images, and those that share an extractor its
    features. Features are gathered and put back in order, and every rank computes the values from all of them, so that
    no rank waits for a value that another one holds.

    Args:
        protocols: how to measure; their names must differ.
        data: both splits of the real samples.
        cache: folder of real samples' statistics and features.
        device: where features are extracted and values computed.
        targets: what samples will be compared with: ``None`` for ``data``, or given columns by name.

    Raises:
        GanforgeError: if names are not different, weights are missing, or an extractor does not read such samples.
    """

    def __init__(
        self,
        protocols: Sequence[Protocol],
        data: Splits,
        cache: Path,
        device: torch.device,
        targets: Sequence[str | None] = (None,),
    ) -> None:
        self.protocols = {protocol.name: _of_rows(protocol, data.heldout) for protocol in protocols}
        if len(self.protocols) < len(protocols):
            raise GanforgeError("Two protocols have the same name: give each a name of its own.")
        self.device = device
        self._extractors: dict[str, Loaded] = {}
        self._key: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.real: dict[tuple[str, str | None], RealSide] = {}
        for name, protocol in self.protocols.items():
            loaded = self._load(protocol)
            for target in targets:
                splits = Splits(*(part.towards(target) for part in (data.train, data.heldout)))
                _check_reads(protocol, splits.train.data)
                real = self.real[name, target] = RealSide(protocol, loaded, splits, cache, device)
                self.tags[name] = protocol.tag(loaded.weights, real.is_drawn)
                real.prepare(protocol.needs)

    def _load(self, protocol: Protocol) -> Loaded:
        """Load a protocol's extractor, once for all protocols that use the same."""
        extractor = protocol.extractor
        loaded = extractor.load()
        key = f"{extractor.name} {loaded.weights} {extractor.resize}"
        if key not in self._extractors:
            loaded.module.to(self.device)
            self._extractors[key] = loaded
        self._key[protocol.name] = key
        return self._extractors[key]

    def over(
        self, sources: Mapping[str, Source], repeat: int = 0, on_comparison: OnComparison | None = None
    ) -> dict[str, dict[str, float]]:
        """Return each protocol's values over all sources; of several, names are ``<source>/<value>``."""
        if len(sources) == 1:
            (source,) = sources.values()
            return self(source, repeat, on_comparison)
        values: dict[str, dict[str, float]] = {name: {} for name in self.protocols}
        for source_name, source in sources.items():
            for protocol, found in self(source, repeat, on_comparison, f"{source_name}/").items():
                values[protocol] |= {f"{source_name}/{name}": value for name, value in found.items()}
        return values

    def __call__(
        self, source: Source, repeat: int = 0, on_comparison: OnComparison | None = None, prefix: str = ""
    ) -> dict[str, dict[str, float]]:
        """Return each protocol's values by name; equal on all ranks.

        Args:
            source: of the samples to evaluate.
            repeat: added to the protocols' seeds, for another set of samples.
            on_comparison: called with each protocol's name, ``prefix`` and comparison.
            prefix: of the values' names, for ``on_comparison``.

        Raises:
            GanforgeError: if images or features are not finite, or there are fewer images than a protocol wants; on
                every rank at once.
        """
        self.check(source)
        values: dict[str, dict[str, float]] = {}
        protocols = [_repeated(protocol, repeat) for protocol in self.protocols.values()]
        for sampling in {protocol.sampling: None for protocol in protocols}:
            alike = [protocol for protocol in protocols if protocol.sampling == sampling]
            with source.session(sampling):
                gathered = self._gather(source, sampling, alike)
                for protocol in alike:
                    comparison = self._comparison(protocol, gathered, source)
                    values[protocol.name] = _measured(protocol, comparison)
                    if on_comparison is not None:
                        on_comparison(protocol.name, prefix, comparison)
        return {name: values[name] for name in self.protocols}

    def check(self, source: Source) -> None:
        """Refuse a source whose samples go with no such images as a protocol compares them with; draws none."""
        for protocol in self.protocols.values():
            given = source.beside(protocol.sampling)
            for name in BESIDE:
                if name in protocol.needs - given:
                    raise _missing(protocol, name)

    def describe(self, name: str) -> dict[str, object]:
        """Return a protocol as plain values, with the weights that it is measured by."""
        is_drawn = next(real.is_drawn for (owner, _), real in self.real.items() if owner == name)
        return self.protocols[name].describe(self._extractors[self._key[name]].weights, is_drawn)

    def extractor(self, name: str) -> nn.Module:
        """Return the feature extractor of a protocol, on its device."""
        return self._extractors[self._key[name]].module

    def _gather(self, source: Source, sampling: Sampling, protocols: Sequence[Protocol]) -> Gathered:
        """Draw this rank's share of what the protocols want together, extract, and gather all ranks'."""
        wanted = max(protocol.num_fake for protocol in protocols)
        limit = source.limit()
        if limit is not None and limit < wanted:
            greedy = max(protocols, key=lambda protocol: protocol.num_fake).name
            raise GanforgeError(
                f"Protocol {greedy} wants {wanted:,} images and there are {limit:,}: set "
                f"protocol.{greedy}.num_fake={limit}, which makes it a protocol of its own."
            )
        keys = sorted({self._key[protocol.name] for protocol in protocols})
        needs = frozenset[str]().union(*(protocol.needs for protocol in protocols))
        mine: list[Share] = []
        finite = True
        # A rank without a batch of its own takes part in the gathering with no rows of batch 0.
        for number in range(rank(), -(-wanted // sampling.batch_size), world_size()) or (0,):
            start = number * sampling.batch_size if number % world_size() == rank() else wanted
            drawn = source.batch(number, sampling)
            count = min(len(drawn.samples), wanted - start)
            finite = finite and drawn.finite
            mine.append(
                Share(
                    {key: self._extract(key, drawn.samples[: max(count, 1)], count) for key in keys},
                    None if drawn.labels is None else drawn.labels[:count],
                    drawn.samples[:count].cpu() if "fake_images" in needs else None,
                    {name: drawn.beside[name]()[:count].cpu() for name in sorted(needs & drawn.beside.keys())},
                )
            )
        refuse_infinite(finite, self.device)
        return gather(mine, keys, sampling.batch_size)

    def _extract(self, key: str, images: Tensor, count: int) -> Features:
        """Return the features of the first ``count`` images."""
        with torch.no_grad():
            features: Features = self._extractors[key].module(images.to(self.device))
        return Features(*(field[:count] for field in features))

    def _comparison(self, protocol: Protocol, gathered: Gathered, source: Source) -> Comparison:
        """Put the first ``num_fake`` images beside the real ones; a stored set that is taken whole in its own order."""
        order = source.order
        rows = slice(protocol.num_fake) if order is None or len(order) != protocol.num_fake else order.argsort()
        features, logits = (field[rows] for field in gathered.features[self._key[protocol.name]])
        if not (features.isfinite().all() and logits.isfinite().all()):
            raise GanforgeError("The images' features are not finite: the extractor's weights must be damaged.")
        pairs = source.path_pairs
        known: dict[str, Any] = {
            "fake_labels": None if gathered.labels is None else gathered.labels[rows],
            "fake_images": None if gathered.samples is None else gathered.samples[rows],
            "path_pairs": None if pairs is None else partial(pairs, sampling=protocol.sampling),
        }
        known |= {name: gathered.beside[name][rows] if name in gathered.beside else None for name in BESIDE}
        real = self.real[protocol.name, source.target]
        for name in protocol.needs - known.keys():
            known[name] = real.field(name)
        for name in sorted(protocol.needs):
            if known[name] is None:
                raise _missing(protocol, name)
        return Comparison(
            features, logits, protocol.sampling.seed, real.extract, real.data.train.data.modality, **known
        )


def _missing(protocol: Protocol, name: str) -> GanforgeError:
    """Return the error about a field of the comparison that a protocol's metrics read and nothing gives."""
    users = ", ".join(sorted(key for key, metric in protocol.metrics.items() if name in metric.needs))
    lacks = _LACKS.get(name) or _LACKS[name.partition("_")[2]]
    return GanforgeError(f"Protocol {protocol.name} measures {users}, which {lacks}")


def _measured(protocol: Protocol, comparison: Comparison) -> dict[str, float]:
    """Return all values of one protocol."""
    values: dict[str, float] = {}
    for name, metric in protocol.metrics.items():
        found = metric(comparison)
        if values.keys() & found.keys():
            raise GanforgeError(f"Protocol {protocol.name}: {name} gives a value that another metric gives too.")
        values |= found
    return values


def _check_reads(protocol: Protocol, column: Column) -> None:
    """Refuse samples that a protocol's extractor cannot read."""
    reads, kind = protocol.extractor.reads, column.modality.name
    if reads not in (None, kind):
        raise GanforgeError(
            f"Protocol {protocol.name} measures {reads}, and the samples are {kind}: choose a protocol for {kind}, or "
            "protocol=[] for none."
        )


def _of_rows(protocol: Protocol, heldout: Split) -> Protocol:
    """Return a protocol that takes no more samples than there are rows, where it takes one of each."""
    if not isinstance(protocol.sampling, HeldOutRows):
        return protocol
    return replace(protocol, num_fake=min(protocol.num_fake, len(heldout)))


def _repeated(protocol: Protocol, repeat: int) -> Protocol:
    return replace(protocol, sampling=replace(protocol.sampling, seed=protocol.sampling.seed + repeat))


_LACKS = {
    "labels": "needs classes: choose labelled data and a conditional model, or leave it out.",
    "target_images": "needs the truth of each sample: choose data whose held-out split is paired, or leave it out.",
    "source_images": "needs source pictures: choose a model that translates them, or leave it out.",
    "cycle_images": "needs a way back: choose a model that translates both ways (model=cyclegan), or leave it out.",
    "pairs": "needs a model with a prior over latents to draw paths in: leave it out.",
}
