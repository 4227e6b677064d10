"""A trained generator, ready to draw: which weights, which latents, which labels."""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor, nn

from ganforge.conditioning import Conditioning, Label
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.images import quantise
from ganforge.latents import Latent
from ganforge.runs.restore import Restored
from ganforge.sampling.checks import above_zero, whole

__all__ = ["Sampler"]


class Sampler:
    """Draws images from a restored run. Image ``k`` of a seed is the same one in every mode and on every device.

    Its latent comes from a random stream of its own, its label is ``k`` modulo the number of classes, batch
    normalisation uses its running statistics, and StyleGAN2's noise is the constant one. Equal up to rounding, which
    depends on the device and on how many images are drawn together.

    Args:
        run: from :func:`ganforge.runs.restore.restore`; its module must have ``generator`` and ``latent``.
        ema: use the averaged weights, where the run has any.
        seed: of latents and labels.
        truncation: fewer kinds of images, each more typical. For a generator with styles the factor psi by which styles
            keep their distance from the mean style (Karras et al. 2019, appendix B), for others the threshold of
            :meth:`ganforge.latents.Latent.truncate`; ``None`` for none.
        device: ``auto``, or a torch device.
        batch_size: images drawn together.

    Raises:
        GanforgeError: if the run draws nothing from latents, or a value is impossible.
    """

    def __init__(
        self,
        run: Restored,
        *,
        ema: bool = True,
        seed: int = 0,
        truncation: float | None = None,
        device: str = "auto",
        batch_size: int = 64,
    ) -> None:
        module = run.module
        if not isinstance(getattr(module, "generator", None), nn.Module) or not hasattr(module, "latent"):
            raise GanforgeError(
                f"{type(module).__name__} draws nothing from latents, which sampling needs: look at the pictures in "
                f"'{run.folder.path / 'samples'}'."
            )
        self.run, self.seed = run, seed
        self.truncation = truncation if truncation is None else above_zero("truncation", truncation)
        self.batch_size = whole("batch_size", batch_size)
        average = getattr(module, "generator_ema", None)
        self.prior: Latent = module.latent
        self.conditioning: Conditioning | None = getattr(module, "conditioning", None)
        self.device = _device(device)
        network: nn.Module = module.generator if average is None or not ema else average
        self.network = network.to(self.device).eval()

    @property
    def classes(self) -> int | None:
        """Number of classes of a run that is conditioned on labels, or ``None``."""
        return self.conditioning.classes if isinstance(self.conditioning, Label) else None

    @property
    def has_styles(self) -> bool:
        """Whether the generator maps latents to styles and draws from these, as StyleGAN2's does."""
        return hasattr(self.network, "map") and hasattr(self.network, "synthesise")

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width; GanforgeError if the run draws no images."""
        channels, height, width = self.draw(self.latents(1), self.labels(1)).shape[1:]
        return channels, height, width

    def require_classes(self, asked: str) -> int:
        """Return the number of classes; GanforgeError if the run has none, or draws no images."""
        assert self.shape
        if self.classes is None:
            raise GanforgeError(
                f"{asked} needs a run that is conditioned on labels, and '{self.run.folder.path}' is not: use "
                "mode=grid, or train with conditioning=label and a conditional variant such as model=acgan."
            )
        return self.classes

    def require_styles(self, asked: str) -> None:
        """Raise GanforgeError if the generator has no styles, or draws no images."""
        assert self.shape
        if not self.has_styles:
            raise GanforgeError(
                f"{asked} needs a generator with styles, and '{self.run.folder.path}' has none: use mode=interpolate "
                "or mode=traverse, or train with model=stylegan2."
            )

    def latents(self, n: int, start: int = 0) -> Tensor:
        """Return the latents of images ``start`` to ``start + n``, ``(n, dim)`` float32 on the CPU."""
        cpu = torch.device("cpu")
        rows = [self.prior(1, generator=torch_generator(self.seed, "image", start + k), device=cpu) for k in range(n)]
        return torch.cat(rows)

    def labels(self, n: int, start: int = 0, label: int | None = None) -> Tensor | None:
        """Return the conditions of images ``start`` to ``start + n``, or ``None`` for an unconditional run.

        Args:
            n: how many.
            start: number of the first image.
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

    @torch.no_grad()
    def draw(self, latents: Tensor, labels: Tensor | None = None, *, truncation: float | None = None) -> Tensor:
        """Return ``(n, c, h, w)`` uint8 images on the CPU, from ``(n, dim)`` latents.

        Args:
            latents: of any length.
            labels: one condition an image, where the run is conditional.
            truncation: instead of the sampler's own.

        Raises:
            GanforgeError: if the run draws points of the plane, or has diverged.
        """
        limit = self.truncation if truncation is None else truncation
        if self.has_styles:
            return self.synthesise(self.styles(latents, labels, truncation=limit))
        if limit is not None:
            latents = self.prior.truncate(latents, limit)
        return torch.cat([self._pixels(self.network(z, y)) for z, y in self.batches(latents, labels)])

    @torch.no_grad()
    def styles(self, latents: Tensor, labels: Tensor | None = None, *, truncation: float | None = None) -> Tensor:
        """Return ``(n, layers, d)`` styles on the CPU; ``truncation`` instead of the sampler's own."""
        limit = self.truncation if truncation is None else truncation
        psi = 1.0 if limit is None else limit
        mapped = [self.network.map(z, y, psi).cpu() for z, y in self.batches(latents, labels)]  # type: ignore[operator]
        return torch.cat(mapped)

    @torch.no_grad()
    def synthesise(self, styles: Tensor) -> Tensor:
        """Return ``(n, c, h, w)`` uint8 images on the CPU, from ``(n, layers, d)`` styles."""
        drawn = [self.network.synthesise(w, noise="constant") for w, _ in self.batches(styles)]  # type: ignore[operator]
        return torch.cat([self._pixels(images) for images in drawn])

    def batches(self, latents: Tensor, labels: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield both in parts of ``batch_size``, on the network's device."""
        parts = latents.split(self.batch_size)
        conditions = [None] * len(parts) if labels is None else labels.split(self.batch_size)
        for part, condition in zip(parts, conditions, strict=True):
            yield part.to(self.device), None if condition is None else condition.to(self.device)

    def _pixels(self, images: Tensor) -> Tensor:
        if images.ndim != 4:
            raise GanforgeError(
                f"'{self.run.folder.path}' draws points of the plane, not images: look at its 'samples' folder, or "
                "keep the generator itself with mode=export."
            )
        if not images.isfinite().all():
            raise GanforgeError(
                f"The generator of '{self.run.checkpoint}' has diverged, its images are not finite: try "
                "checkpoint=previous or checkpoint=best."
            )
        return quantise(images).cpu()


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise GanforgeError(f"device={name} is not there: use device=auto, or device=cpu.") from error
    return torch.device(name)
