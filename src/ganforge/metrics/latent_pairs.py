"""Samples at both ends of small steps in a generator's latent space."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.errors import GanforgeError
from ganforge.core.rng import sub_seed
from ganforge.latents import Normal, slerp
from ganforge.metrics.comparison import Place, Space
from ganforge.metrics.protocol import Sampling
from ganforge.sampling.sampler import Inputs, Sampler

__all__ = ["latent_pairs", "seeded"]


@torch.no_grad()
def latent_pairs(
    sampler: Sampler,
    n: int,
    epsilon: float,
    generator: torch.Generator,
    sampling: Sampling,
    space: Space = "z",
    at: Place = "full",
) -> tuple[Tensor, Tensor]:
    """Draw pairs of samples from a sampler; see :class:`~ganforge.metrics.comparison.PathPairs`.

    Normal latents are joined along great circles, others and styles along straight lines (Karras et al. 2019,
    equations 2 and 3). Noise inside the network is the same at both ends, as in StyleGAN's code: the samples differ
    by the step alone.
    """
    noise = sub_seed(generator.initial_seed(), "noise")
    (first, condition), (second, _) = (sampler.inputs(n, generator) for _ in range(2))
    assert first is not None
    assert second is not None
    t = torch.rand(n, 1, generator=generator, device=sampler.device) * (at == "full")
    sampler = sampler.with_weights(sampling.weights)
    if space == "w":
        return _style_pairs(sampler, (first, second), condition, (t, t + epsilon), sampling, noise)
    join = _great_circle if isinstance(sampler.latent, Normal) else torch.lerp
    drawn = []
    for share in (t, t + epsilon):
        with seeded(noise, sampler.device):
            inputs = Inputs(join(first, second, share), condition)
            drawn.append(sampler.generate(inputs, truncation=sampling.truncation))
    return drawn[0], drawn[1]


def _style_pairs(
    sampler: Sampler,
    latents: tuple[Tensor, Tensor],
    condition: Tensor | None,
    shares: tuple[Tensor, Tensor],
    sampling: Sampling,
    noise: int,
) -> tuple[Tensor, Tensor]:
    """Return samples at two shares of the way between the styles of two latents."""
    if not sampler.has_styles:
        raise GanforgeError(
            f"space=w is the space of styles, and {type(sampler.network).__name__} has none: choose space=z."
        )
    first, second = (sampler.styles(Inputs(latent, condition), sampling.truncation) for latent in latents)
    drawn = []
    for share in shares:
        with seeded(noise, sampler.device):
            drawn.append(sampler.synthesise(torch.lerp(first, second, share[..., None])))
    return drawn[0], drawn[1]


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global stream, from which noise inside a network (StyleGAN2's) comes, and leave it as it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _great_circle(first: Tensor, second: Tensor, t: Tensor) -> Tensor:
    """Interpolate directions spherically at unit length scaled back to a normal latent's root-mean-square of 1."""
    return slerp(F.normalize(first, dim=1), F.normalize(second, dim=1), t) * float(first.shape[1] ** 0.5)
