"""A trained generator whose samples are numbered: sample ``k`` of a seed is the same one in every mode."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ganforge.core.devices import named_device
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Column, Split
from ganforge.data.modality import Modality
from ganforge.latents import Latent
from ganforge.sampling.checks import above_zero, whole
from ganforge.sampling.sampler import Inputs, Noise, Sampler

__all__ = ["Origin", "SeededSampler"]


@dataclass(frozen=True)
class Origin:
    """The run that a generator is from: its names for messages, and the data that some modes need.

    Attributes:
        name: of the run, such as its folder.
        checkpoint: of the weights.
        train: returns the training samples that its samples are compared with; loaded when called.
        features: loads the network of the run's first protocol, whose output of stored samples has ``features``
            ``(n, d)``; ``None`` where the run has no protocol.
        description: the network's configuration and inputs, as plain values.
        heldout: returns the held-out split; loaded when called.
        modalities: what the dataset's columns are, by name.
    """

    name: str
    checkpoint: str
    train: Callable[[], Column]
    features: Callable[[], nn.Module] | None
    description: Callable[[], dict[str, object]]
    heldout: Callable[[], Split] | None = None
    modalities: Mapping[str, Modality] = field(default_factory=dict)


class SeededSampler:
    """Draws from a generator. Sample ``k`` of a seed is the same one in every mode and on every device.

    Its latent comes from a random stream of its own, its label is ``k`` modulo the number of classes, batch
    normalisation uses its running statistics, and StyleGAN2's noise is the constant one. Equal up to rounding, which
    depends on the device and on how many samples are drawn together.

    Args:
        sampler: what to draw from.
        origin: where it comes from.
        ema: use the averaged weights, where there are any.
        seed: of latents and conditions.
        truncation: fewer kinds of samples, each more typical; see :meth:`Sampler.generate`; ``None`` for none.
        device: ``auto``, or a torch device.
        batch_size: samples drawn together.

    Raises:
        GanforgeError: if a value is impossible.
    """

    def __init__(
        self,
        sampler: Sampler,
        origin: Origin,
        *,
        ema: bool = True,
        seed: int = 0,
        truncation: float | None = None,
        device: str = "auto",
        batch_size: int = 64,
    ) -> None:
        self.origin, self.seed = origin, seed
        self.truncation = truncation if truncation is None else above_zero("truncation", truncation)
        self.batch_size = whole("batch_size", batch_size)
        self.device = named_device(device)
        self.sampler = sampler.with_weights("ema" if ema else "raw")
        self.network = self.sampler.network.to(self.device).eval()
        self.modality, self.conditioning = sampler.modality, sampler.conditioning
        self.classes, self.has_styles = sampler.classes, self.sampler.has_styles

    @property
    def prior(self) -> Latent:
        """The prior over latents.

        Raises:
            GanforgeError: if the generator has no latent.
        """
        if self.sampler.latent is None:
            raise GanforgeError(
                f"The generator of '{self.origin.name}' draws from conditions alone, without a latent to move in: use "
                "mode=grid, mode=images or mode=neighbours."
            )
        return self.sampler.latent

    def require_images(self, asked: str) -> None:
        """Raise GanforgeError if the samples are no images, which ``asked`` lays out in rows."""
        if self.modality.name != "images":
            raise GanforgeError(
                f"{asked} is for images, and '{self.origin.name}' draws {self.modality.name}: use mode=grid, "
                "mode=images with mode.format=npz, or mode=export."
            )

    def require_classes(self, asked: str) -> int:
        """Return the number of classes; GanforgeError if there are none."""
        if self.classes is None:
            raise GanforgeError(
                f"{asked} needs a run that is conditioned on labels, and '{self.origin.name}' is not: use "
                "mode=grid, or train with conditioning=label and a conditional variant such as model=acgan."
            )
        return self.classes

    def require_styles(self, asked: str) -> None:
        """Raise GanforgeError if the generator has no styles."""
        if not self.has_styles:
            raise GanforgeError(
                f"{asked} needs a generator with styles, and '{self.origin.name}' has none: use mode=interpolate "
                "or mode=traverse, or train with model=stylegan2."
            )

    def latents(self, n: int, start: int = 0) -> Tensor:
        """Return the latents of samples ``start`` to ``start + n``, ``(n, dim)`` float32 on the CPU."""
        cpu, prior = torch.device("cpu"), self.prior
        rows = [prior(1, generator=torch_generator(self.seed, "image", start + k), device=cpu) for k in range(n)]
        return torch.cat(rows)

    def labels(self, n: int, start: int = 0, label: int | None = None) -> Tensor | None:
        """Return the conditions of samples ``start`` to ``start + n``, or ``None`` for an unconditional run.

        Args:
            n: how many.
            start: number of the first sample.
            label: the same class for all of them.

        Raises:
            GanforgeError: if ``label`` is not a class of the run.
        """
        if label is not None:
            count = self.require_classes("mode.label")
            return torch.full((n,), whole("mode.label", label, 0, count - 1))
        if self.conditioning is None:
            return None
        if self.classes is not None:
            return torch.arange(start, start + n) % self.classes
        cpu = torch.device("cpu")
        streams = (torch_generator(self.seed, "condition", start + k) for k in range(n))
        return torch.cat([self.conditioning.sample(1, generator=stream, device=cpu) for stream in streams])

    def inputs(self, n: int, start: int = 0, label: int | None = None) -> Inputs:
        """Return what samples ``start`` to ``start + n`` are drawn from, on the CPU; see :meth:`labels`."""
        latent = None if self.sampler.latent is None else self.latents(n, start)
        return Inputs(latent, self.labels(n, start, label))

    @torch.no_grad()
    def draw(self, latents: Tensor | None, labels: Tensor | None = None, *, truncation: float | None = None) -> Tensor:
        """Return samples as they are stored, ``(n, ...)`` on the CPU; images are uint8.

        Args:
            latents: ``(n, dim)``, of any length.
            labels: one condition a sample, where the run is conditional.
            truncation: instead of the sampler's own.

        Raises:
            GanforgeError: if the generator has diverged.
        """
        limit = self.truncation if truncation is None else truncation
        noise: Noise = "constant" if self.has_styles else "random"
        drawn = [self.sampler.generate(part, truncation=limit, noise=noise) for part in self.batches(latents, labels)]
        return torch.cat([self._stored(samples) for samples in drawn])

    @torch.no_grad()
    def styles(self, latents: Tensor, labels: Tensor | None = None, *, truncation: float | None = None) -> Tensor:
        """Return ``(n, layers, d)`` styles on the CPU; ``truncation`` instead of the sampler's own."""
        limit = self.truncation if truncation is None else truncation
        return torch.cat([self.sampler.styles(part, limit).cpu() for part in self.batches(latents, labels)])

    @torch.no_grad()
    def synthesise(self, styles: Tensor) -> Tensor:
        """Return samples as they are stored, on the CPU, from ``(n, layers, d)`` styles."""
        parts = (part.to(self.device) for part in styles.split(self.batch_size))
        return torch.cat([self._stored(self.sampler.synthesise(part, "constant")) for part in parts])

    def batches(self, latents: Tensor | None, labels: Tensor | None = None) -> Iterator[Inputs]:
        """Yield both in parts of ``batch_size``, on the network's device."""
        n = next(len(column) for column in (latents, labels) if column is not None)
        for start in range(0, n, self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield Inputs(*(None if column is None else column[rows].to(self.device) for column in (latents, labels)))

    def _stored(self, samples: Tensor) -> Tensor:
        if not samples.isfinite().all():
            raise GanforgeError(
                f"The generator of '{self.origin.checkpoint}' has diverged, its samples are not finite: try "
                "checkpoint=previous or checkpoint=best."
            )
        return self.modality.encode(samples).cpu()
