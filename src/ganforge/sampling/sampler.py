"""Drawing samples from a generator: its network, its inputs and its modality in one object."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ganforge.conditioning import Conditioning, Given, Label
from ganforge.core.errors import GanforgeError
from ganforge.core.rng import torch_generator
from ganforge.data.columns import DATA
from ganforge.data.modality import Modality
from ganforge.latents import Latent

__all__ = ["BatchNorm", "Inputs", "Noise", "Sampler"]

#: Statistics that batch norms use in sampling: of training, of each sampled batch, or accumulated anew beforehand.
BatchNorm = Literal["running", "batch", "standing"]

#: Noise inside a generator with styles: fresh at each call, or always the same.
Noise = Literal["random", "constant"]

_STANDING_BATCHES = 16


class Inputs(NamedTuple):
    """The inputs of a generator for ``n`` samples.

    Attributes:
        latent: ``(n, latent_dim)``, or ``None`` for a generator without one.
        condition: ``(n, ...)``, or ``None``.
    """

    latent: Tensor | None
    condition: Tensor | None


@dataclass(frozen=True)
class Sampler:
    """A generator with its prior, conditioning and modality; evaluation, sampling, export, health and reports use it.

    Attributes:
        network: ``(latent, condition) -> samples``, the raw weights.
        latent: prior of its input; ``None`` for a generator of conditions alone.
        conditioning: what it is conditioned on, or ``None``.
        modality: what its samples are.
        average: the network with averaged weights, where the procedure keeps any.
        target: the given column of the dataset that its samples are compared with; ``None``: ``data``.
        inverse: translates its samples back, where the procedure learns that too.
    """

    network: nn.Module
    latent: Latent | None
    conditioning: Conditioning | None
    modality: Modality
    average: nn.Module | None = None
    target: str | None = None
    inverse: "Sampler | None" = None

    def with_weights(self, weights: Literal["ema", "raw"]) -> "Sampler":
        """Return the sampler of the averaged weights, where there are any, or of the raw ones."""
        network = self.average if weights == "ema" and self.average is not None else self.network
        return replace(self, network=network, average=None)

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.network.parameters()).device

    @property
    def has_styles(self) -> bool:
        """Whether the generator maps latents to styles and draws from these, as StyleGAN2's does."""
        return hasattr(self.network, "map") and hasattr(self.network, "synthesise")

    @property
    def source(self) -> str | None:
        """The column of pictures that it translates, or ``None``."""
        if self.latent is not None and self.latent.is_data:
            return DATA
        return self.conditioning.key if isinstance(self.conditioning, Given) else None

    @property
    def classes(self) -> int | None:
        """Number of classes of a generator that is conditioned on labels, else ``None``."""
        return self.conditioning.classes if isinstance(self.conditioning, Label) else None

    def inputs(self, n: int, generator: torch.Generator | None, condition: Tensor | None = None) -> Inputs:
        """Draw latents and then, unless they are given, conditions; on the network's device."""
        device = self.device
        latent = None if self.latent is None else self.latent(n, generator=generator, device=device)
        if condition is None and self.conditioning is not None:
            condition = self.conditioning.sample(n, generator=generator, device=device)
        return Inputs(latent, condition)

    def generate(self, inputs: Inputs, *, truncation: float | None = None, noise: Noise = "random") -> Tensor:
        """Return samples as networks see them, ``(n, *shape)``, the network in the mode that it is in.

        Args:
            inputs: on the network's device.
            truncation: the factor by which styles keep their distance from the mean style, where there are styles
                (Karras et al. 2019, appendix B); else the threshold of :meth:`ganforge.latents.Latent.truncate`.
            noise: that inside a generator with styles: fresh at each call, or always the same.

        Raises:
            GanforgeError: for truncation without a latent.
        """
        if self.has_styles and (truncation is not None or noise != "random"):
            return self.synthesise(self.styles(inputs, truncation), noise)
        samples: Tensor = self.network(self.truncated(inputs.latent, truncation), inputs.condition)
        return samples

    def truncated(self, latent: Tensor | None, threshold: float | None) -> Tensor | None:
        """Return latents confined to ``[-threshold, threshold]`` by their prior; as they are for ``None``."""
        if threshold is None:
            return latent
        if self.latent is None or latent is None:
            raise GanforgeError("truncation confines latents, and this generator has none: leave truncation out.")
        return self.latent.truncate(latent, threshold)

    def styles(self, inputs: Inputs, truncation: float | None = None) -> Tensor:
        """Return ``(n, layers, d)`` styles; ``truncation`` is the factor psi, ``None`` for 1."""
        network: Any = self.network
        styles: Tensor = network.map(inputs.latent, inputs.condition, 1.0 if truncation is None else truncation)
        return styles

    def synthesise(self, styles: Tensor, noise: Noise = "random") -> Tensor:
        """Return samples from ``(n, layers, d)`` styles."""
        network: Any = self.network
        samples: Tensor = network.synthesise(styles, noise)
        return samples

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, condition: Tensor | None = None) -> Tensor:
        """Draw ``n`` samples as networks see them, in evaluation mode and without gradients; the mode is restored."""
        with self.evaluating():
            return self.generate(self.inputs(n, generator, condition))

    @contextmanager
    def evaluating(
        self, batch_norm: BatchNorm = "running", *, seed: int = 0, batch_size: int = 1, truncation: float | None = None
    ) -> Iterator[None]:
        """Return a context with the network in evaluation mode, its batch norms on the chosen statistics.

        Args:
            batch_norm: ``standing`` statistics are means over 16 fresh batches (Brock et al. 2019, appendix C.1).
            seed, batch_size, truncation: of these batches.
        """
        training = self.network.training
        norms = [part for part in self.network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        kept = [(norm.running_mean, norm.running_var, norm.momentum, norm.num_batches_tracked) for norm in norms]
        self.network.eval()
        try:
            if batch_norm == "batch":
                for norm in norms:
                    norm.running_mean = norm.running_var = None  # in evaluation mode this means the batch's own
            elif batch_norm == "standing":
                self._accumulate(norms, seed, batch_size, truncation)
            yield
        finally:
            for norm, (mean, variance, momentum, tracked) in zip(norms, kept, strict=True):
                norm.running_mean, norm.running_var, norm.momentum = mean, variance, momentum
                norm.num_batches_tracked = tracked
            self.network.train(training)

    @torch.no_grad()
    def _accumulate(self, norms: list[Any], seed: int, batch_size: int, truncation: float | None) -> None:
        """Replace running statistics by plain means over fresh batches."""
        for norm in norms:
            norm.running_mean, norm.running_var = torch.zeros_like(norm.running_mean), torch.ones_like(norm.running_var)
            norm.num_batches_tracked, norm.momentum = torch.zeros_like(norm.num_batches_tracked), None
            norm.train()
        for number in range(_STANDING_BATCHES):
            stream = torch_generator(seed, "standing", number, device=self.device)
            self.generate(self.inputs(batch_size, stream), truncation=truncation)
        self.network.eval()
