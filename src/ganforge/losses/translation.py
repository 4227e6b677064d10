"""Losses between pictures: to the target itself, to its features, and between patches of source and output."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ganforge.core.annotations import Count, Fraction, Positive
from ganforge.core.errors import GanforgeError
from ganforge.losses.precision import full_precision, widen
from ganforge.losses.step import Step
from ganforge.losses.terms import GeneratorTerm
from ganforge.networks.critique import NotGiven

__all__ = ["CycleConsistency", "LayerMatching", "PatchNCE", "Reconstruction"]


@dataclass(kw_only=True, eq=False)
class Reconstruction(GeneratorTerm):
    """Distance of each output to its target, which is the batch's data: ``E|G(x) - y|`` (pix2pix, equation 3).

    Means are over all values, so that a weight is independent of the size. The data must be paired with what the
    generator is conditioned on.

    Args:
        weight: lambda, 100 in pix2pix.
        every: see :class:`Term`.
        player: the generator alone.
        norm: ``l1`` or ``l2``, the mean of squares.

    Raises:
        GanforgeError: for another norm, or ``player`` the discriminator.
    """

    needs_pairs = True
    norm: Literal["l1", "l2"] = "l1"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.norm not in ("l1", "l2"):
            raise GanforgeError(f"Reconstruction: norm must be 'l1' or 'l2', got '{self.norm}'.")

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        difference = widen(step.fake) - widen(step.real)
        return difference.abs().mean() if self.norm == "l1" else difference.square().mean()


class CycleConsistency(GeneratorTerm):
    """``E|x - G(G(x, c'), c)|``: what is translated and translated back (StarGAN, Choi et al. 2018, equation 4).

    Of generators that take pictures for their latent and labels for their condition; weight 10.
    """

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        if step.require_latent().shape != step.real.shape:
            raise NotGiven("pictures as the generator's input", "this latent", "choose model=stargan")
        return (widen(step.generate(step.fake, step.condition)) - widen(step.real)).abs().mean()


class LayerMatching(GeneratorTerm):
    """Feature matching of every layer of every scale (pix2pixHD, Wang et al. 2018, equation 4; weight 10).

    ``E|D_k^i(x, y) - D_k^i(x, G(x))|``, averaged over layers ``i`` and scales ``k``; no gradient flows through the
    target's maps. The authors' code takes 4 times this mean, with a lambda of 10.
    """

    needs_pairs = True

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        real, fake = step.real_critique.require_layers(), step.fake_critique.require_layers()
        scales = [
            torch.stack([(widen(of) - widen(to.detach())).abs().mean() for of, to in zip(*maps, strict=True)]).mean()
            for maps in zip(fake, real, strict=True)
        ]
        return torch.stack(scales).mean()


@dataclass(kw_only=True, eq=False)
class PatchNCE(GeneratorTerm):
    """Contrastive loss between patches at the same place of source and output (CUT, Park et al. 2020, equation 3).

    A place's feature in the output must be nearer to the same place's in the source than to those of other places of
    the same source: the cross-entropy of ``places`` similarities over ``temperature``, averaged over layers. The
    generator gives ``patches(pictures)``, its own maps, and ``project(maps, places)``, as
    :class:`ganforge.networks.cut.Generator` does. No gradient flows through the source's features.

    Args:
        weight: lambda_X, 1 in CUT and 10 in FastCUT.
        every: see :class:`Term`.
        player: the generator alone.
        temperature: tau.
        places: how many places a layer gives, drawn anew at each step; all where there are fewer.
        identity: whether half of the term is of pictures of the target domain and what the generator makes of them
            (equation 4 with lambda_X = lambda_Y).
        flip: probability that the source's maps are those of its mirror image, mirrored back, so that the generator
            becomes equivariant (FastCUT, 0.5).

    Raises:
        GanforgeError: if an option is out of its range, or ``player`` the discriminator.
    """

    temperature: Positive = 0.07
    places: Count = 256
    identity: bool = True
    flip: Fraction = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0 or self.places < 2 or not 0 <= self.flip <= 1:
            raise GanforgeError(
                "PatchNCE: temperature must be above 0, places at least 2 and flip from 0 to 1, got "
                f"{self.temperature}, {self.places} and {self.flip}."
            )

    def __call__(self, step: Step) -> Tensor:
        """See :class:`Term`."""
        network = step.networks["generator"]
        if not (hasattr(network, "patches") and hasattr(network, "project")):
            raise NotGiven("the generator's patches and project", "network.generator", "choose network=cut")
        if step.condition is None or step.condition.ndim != 4:
            raise NotGiven("source pictures", "this conditioning", "add conditioning=given")
        value = self._contrast(network, step.fake, step.condition)
        if not self.identity:
            return value
        return (value + self._contrast(network, step.generate(None, step.real), step.real)) / 2

    def _contrast(self, network: torch.nn.Module, output: Tensor, source: Tensor) -> Tensor:
        """Return the mean over layers of the cross-entropy of places of ``output`` among those of ``source``."""
        flips = bool(self.flip) and bool(torch.rand(()) < self.flip)
        queries = network.patches(output)  # type: ignore[operator]
        with torch.no_grad():
            keys = network.patches(source.flip(-1) if flips else source)  # type: ignore[operator]
        queries = [maps.flip(-1) for maps in queries] if flips else queries
        chosen = [torch.randperm(maps[0, 0].numel(), device=maps.device)[: self.places] for maps in queries]
        asked = network.project(queries, chosen)  # type: ignore[operator]
        with torch.no_grad():
            known = network.project(keys, chosen)  # type: ignore[operator]
        losses = [self._cross_entropy(widen(q), widen(k)) for q, k in zip(asked, known, strict=True)]
        return torch.stack(losses).mean()

    def _cross_entropy(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the loss of ``(n, places, d)`` unit vectors, whose positive is at the same place."""
        with full_precision(queries):
            similarity = queries @ keys.transpose(1, 2) / self.temperature
        targets = torch.arange(similarity.shape[1], device=similarity.device).expand(len(similarity), -1)
        return F.cross_entropy(similarity.flatten(0, 1), targets.flatten())
