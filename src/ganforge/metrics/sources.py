"""Where images to be judged come from: a model, or images that lie somewhere."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from ganforge.core.rng import sub_seed, torch_generator
from ganforge.data.columns import Split
from ganforge.data.images import quantise
from ganforge.latents import Normal
from ganforge.metrics.protocol import Sampling

__all__ = ["Drawn", "Generated", "Source", "Stored"]

_STANDING_BATCHES = 16


class Drawn(NamedTuple):
    """A batch of images.

    Attributes:
        images: ``(n, c, h, w)`` uint8.
        labels: ``(n,)`` int64, the classes that they are of; ``None`` without.
        finite: whether no pixel was infinite or not a number before it was made a byte.
    """

    images: Tensor
    labels: Tensor | None
    finite: bool = True


class Source(Protocol):
    """Numbered batches; a batch is a function of its number, so that ranks can share them out."""

    def limit(self) -> int | None:
        """Return how many images there are; ``None`` for as many as asked."""

    def session(self, sampling: Sampling) -> AbstractContextManager[None]:
        """Return a context in which batches are drawn."""

    def batch(self, number: int, sampling: Sampling) -> Drawn:
        """Return the batch of ``sampling.batch_size`` images (the last of a finite source may be smaller)."""


class Stored:
    """Images of a dataset, folder or file, in an order drawn once: what is sorted by class has no typical beginning.

    Args:
        split: the images, with their labels where there are any.

    Attributes:
        order: ``(n,)``, which image comes when.
    """

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
        indices = self.order[start : start + sampling.batch_size]
        batch = self.split.batch(indices)
        return Drawn(batch.data, batch.label)


class Generated:
    """Images from a training module.

    Args:
        module: an :class:`ganforge.models.base.AdversarialModule`.
        device: where it lies.
    """

    def __init__(self, module: Any, device: torch.device) -> None:
        self.module, self.device = module, device

    def limit(self) -> int | None:
        """See :class:`Source`."""
        return None

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Return latents and conditions."""
        latent: Tensor = self.module.latent(n, generator=generator, device=self.device)
        conditioning = self.module.conditioning
        if conditioning is None:
            return latent, None
        return latent, conditioning.sample(n, generator=generator, device=self.device)

    def _network(self, sampling: Sampling) -> nn.Module:
        averaged = self.module.generator_ema
        network: nn.Module = averaged if sampling.weights == "ema" and averaged is not None else self.module.generator
        return network

    @contextmanager
    def session(self, sampling: Sampling) -> Iterator[None]:
        """See :class:`Source`; batch norms are put into the mode asked for, and back."""
        network = self._network(sampling)
        training = network.training
        norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        kept = [(norm.running_mean, norm.running_var, norm.momentum, norm.num_batches_tracked) for norm in norms]
        network.eval()
        try:
            if sampling.batch_norm == "batch":
                for norm in norms:
                    norm.running_mean = norm.running_var = None  # in evaluation mode this means the batch's own
            elif sampling.batch_norm == "standing":
                self._stand(network, norms, sampling)
            yield
        finally:
            for norm, (mean, variance, momentum, tracked) in zip(norms, kept, strict=True):
                norm.running_mean, norm.running_var, norm.momentum = mean, variance, momentum
                norm.num_batches_tracked = tracked
            network.train(training)

    @torch.no_grad()
    def _stand(self, network: nn.Module, norms: list[Any], sampling: Sampling) -> None:
        """Replace running statistics by plain means over fresh batches."""
        for norm in norms:
            norm.running_mean, norm.running_var = torch.zeros_like(norm.running_mean), torch.ones_like(norm.running_var)
            norm.num_batches_tracked, norm.momentum = torch.zeros_like(norm.num_batches_tracked), None
            norm.train()
        for number in range(_STANDING_BATCHES):
            generator = torch_generator(sampling.seed, "standing", number, device=self.device)
            self._images(*self._draw(sampling.batch_size, generator), sampling)
        network.eval()

    def _images(self, latent: Tensor, condition: Tensor | None, sampling: Sampling) -> Tensor:
        """Return images in [-1, 1]; truncation acts on styles where there are any, else on latents."""
        network: Any = self._network(sampling)
        if sampling.truncation is None:
            images: Tensor = network(latent, condition)
        elif hasattr(network, "map") and hasattr(network, "synthesise"):
            images = network.synthesise(network.map(latent, condition, sampling.truncation))
        else:
            images = network(self.module.latent.truncate(latent, sampling.truncation), condition)
        return images

    @contextmanager
    def _noise(self, seed: int) -> Iterator[None]:
        """Seed the global stream, from which noise inside a network (StyleGAN2's) comes, and leave it as it was."""
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    @torch.no_grad()
    def batch(self, number: int, sampling: Sampling) -> Drawn:
        """See :class:`Source`."""
        generator = torch_generator(sampling.seed, "samples", number, device=self.device)
        latent, condition = self._draw(sampling.batch_size, generator)
        with self._noise(sub_seed(sampling.seed, "noise", number)):
            images = self._images(latent, condition, sampling)
        labels = condition if condition is not None and condition.dtype == torch.int64 else None
        return Drawn(quantise(images), labels, bool(images.isfinite().all()))

    @torch.no_grad()
    def path_pairs(
        self, n: int, epsilon: float, generator: torch.Generator, sampling: Sampling
    ) -> tuple[Tensor, Tensor]:
        """Return images at ``t`` and ``t + epsilon`` of ``n`` paths between two latents, ``t`` uniform on [0, 1].

        Normal latents are joined along great circles, others along straight lines (Karras et al. 2019, equation 2).
        Noise inside the network is the same at both ends, as in StyleGAN's code: the images differ by the step alone.
        """
        noise = sub_seed(generator.initial_seed(), "noise")
        (first, condition), (second, _) = (self._draw(n, generator) for _ in range(2))
        t = torch.rand(n, 1, generator=generator, device=self.device)
        join = _great_circle if isinstance(self.module.latent, Normal) else torch.lerp
        ends = []
        for at in (t, t + epsilon):
            with self._noise(noise):
                ends.append(self._images(join(first, second, at), condition, sampling))
        return ends[0], ends[1]


def _great_circle(first: Tensor, second: Tensor, t: Tensor) -> Tensor:
    """Interpolate directions spherically at unit length scaled back to a normal latent's root-mean-square of 1."""
    first, second = (nn.functional.normalize(latent, dim=1) for latent in (first, second))
    angle = (first * second).sum(1, keepdim=True).clamp(-1, 1).acos()
    across = nn.functional.normalize(second - first * angle.cos(), dim=1)
    joined: Tensor = first * (t * angle).cos() + across * (t * angle).sin()
    return joined * float(first.shape[1] ** 0.5)
