"""Directions of a generator's input along which its images change most, found without labels.

They are ``(k, d)`` vectors in the space of styles, where the generator has them, or of latents; the most important
first, each with the sign that makes its largest coordinate positive.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError
from ganforge.sampling.seeded import SeededSampler

__all__ = ["ganspace", "sefa"]


def sefa(sampler: SeededSampler, count: int) -> Tensor:
    """Closed-form factorisation (Shen and Zhou 2021, equations 5 to 8): unit eigenvectors of ``A^T A``.

    ``A`` is the weight of the first layer on the latent or, for a generator with styles, the weights of all its layers
    that turn a style into scales, one below the other. The authors' code scales ``A``'s rows to unit length first; the
    paper, and this, do not.

    Args:
        sampler: of the generator.
        count: how many directions.

    Raises:
        GanforgeError: if there are fewer coordinates, or no layer that has them as inputs.
    """
    weight = _style_weights(sampler.network) if sampler.has_styles else first_layer(sampler).weight
    weight = weight.detach().double().cpu()
    _, vectors = torch.linalg.eigh(weight.T @ weight)
    return _padded(_signed(vectors.flip(1).T[: _available(count, weight.shape[1])]), sampler)


def ganspace(sampler: SeededSampler, count: int, samples: int) -> Tensor:
    """Principal components of what the latent first becomes (Härkönen et al. 2020, section 2), a standard deviation
    long.

    For a generator with styles: of its styles ``w``. For others: of the first layer's output ``y``; there the
    directions are least squares' answer to which latents give these components (equation 4).

    Args:
        sampler: of the generator; latents are those of its images 0, 1, 2, ...
        count: how many directions.
        samples: latents to learn from (the paper takes a million).

    Raises:
        GanforgeError: see :func:`sefa`; also for fewer than two samples a direction.
    """
    if samples < 2 * count:
        raise GanforgeError(f"mode.samples={samples} is too few for {count} directions: give at least {2 * count}.")
    latents, labels = sampler.latents(samples), sampler.labels(samples)
    if sampler.has_styles:
        features = sampler.styles(latents, labels, truncation=1.0)[:, 0]
        components, scores = principal_components(features, _available(count, features.shape[1]))
        return _signed(components * scores.std(0)[:, None])
    features = _first_outputs(sampler, latents, labels)
    _, scores = principal_components(features, _available(count, min(features.shape[1], latents.shape[1])))
    centred = (latents - latents.mean(0)).to(scores)
    return _signed(torch.linalg.lstsq(scores / scores.std(0), centred).solution)


def principal_components(features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return ``count`` components ``(count, d)`` and the samples' coordinates ``(n, count)``."""
    centred = (features - features.mean(0)).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the randomised factorisation's start
        _, _, components = torch.svd_lowrank(centred, min(count + 20, *centred.shape), niter=6)
    components = components[:, :count]
    return components.T, centred @ components


def _signed(vectors: Tensor) -> Tensor:
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return (vectors * largest.sign()).float()


def _available(count: int, coordinates: int) -> int:
    if count > coordinates:
        raise GanforgeError(f"n={count} directions are too many, there are {coordinates}: lower n.")
    return count


def _padded(vectors: Tensor, sampler: SeededSampler) -> Tensor:
    """Fill up directions of a part of the latent (BigGAN's first chunk) with zeros."""
    missing = 0 if sampler.has_styles else sampler.prior.dim - vectors.shape[1]
    return torch.nn.functional.pad(vectors, (0, missing))


def _style_weights(network: nn.Module) -> Tensor:
    found = (getattr(module, "affine", None) for module in network.modules())
    weights = [layer.weight for layer in found if isinstance(layer, nn.Module)]  # batch norm's "affine" is a bool
    if not weights:
        raise GanforgeError("The generator's layers have no 'affine' that reads styles: use mode.directions=ganspace.")
    return torch.cat([weight for weight in weights if isinstance(weight, Tensor)])


class FirstLayer(NamedTuple):
    """The first layer that the latent meets, and its weight on the latent, ``(outputs, coordinates)``."""

    layer: nn.Module
    weight: Tensor


#: A layer, its input and its output.
Call = tuple[nn.Module, Tensor, Tensor]


class _Reached(Exception):  # noqa: N818 - it ends a forward pass early
    pass


@contextmanager
def _watching(layers: list[nn.Module], seen: list[Call]) -> Iterator[None]:
    """Append (layer, input, output) of whichever layer is called first, and end the forward pass there."""

    def stop(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append((layer, inputs[0], output))
        raise _Reached

    handles = [layer.register_forward_hook(stop) for layer in layers]
    try:
        yield
    except _Reached:
        pass
    finally:
        for handle in handles:
            handle.remove()


def first_layer(sampler: SeededSampler) -> FirstLayer:
    network = sampler.network
    candidates = [
        module
        for module in network.modules()
        if not isinstance(module, nn.Embedding) and isinstance(getattr(module, "weight", None), Tensor)
        if cast(Tensor, module.weight).ndim in (2, 4)
    ]
    seen: list[Call] = []
    (batch,) = sampler.batches(*sampler.inputs(2, label=None if sampler.classes is None else 0))
    with torch.no_grad(), _watching(candidates, seen):
        network(*batch)
    if not seen:
        raise GanforgeError("The generator has no first layer to take directions from: use mode=interpolate.")
    layer, inputs, _ = seen[0]
    # Labels may stand before or behind the latent; with equal labels only the latent's columns differ.
    first = int((inputs[0] != inputs[1]).reshape(inputs.shape[1], -1).any(1).nonzero()[0])
    weight = cast(Tensor, layer.weight)
    if isinstance(layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    weight = weight.transpose(0, 1).flatten(1).T
    weight = weight[:, first : first + sampler.prior.dim]
    # Of a hierarchical latent (BigGAN) the first layer reads the first chunk alone.
    return FirstLayer(layer, nn.functional.pad(weight, (0, sampler.prior.dim - weight.shape[1])))


def _first_outputs(sampler: SeededSampler, latents: Tensor, labels: Tensor | None) -> Tensor:
    """Return ``(n, features)`` outputs of the first layer."""
    layer = first_layer(sampler).layer
    outputs: list[Call] = []
    for batch in sampler.batches(latents, labels):
        with torch.no_grad(), _watching([layer], outputs):
            sampler.network(*batch)
    return torch.cat([output.flatten(1).cpu() for _, _, output in outputs])
