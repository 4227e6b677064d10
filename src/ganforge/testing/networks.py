"""What holds for every pair of networks."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ganforge.core.errors import GanforgeError
from ganforge.latents import Latent
from ganforge.networks.checks import require_two_inputs
from ganforge.networks.critique import Critique
from ganforge.testing.expect import name_of, require, require_finite

__all__ = ["check_networks"]


def check_networks(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    shape: Sequence[int],
    latent: Latent | None,
    classes: int | None = None,
    source: Sequence[int] | None = None,
    batch_size: int = 4,
) -> None:
    """Check that two networks fit together, and that gradients reach the generator through the discriminator.

    Args:
        generator, discriminator: as training would have them at the start; they are left as they are.
        shape: of one sample: ``(channels, height, width)``, or ``(dim,)``.
        latent: prior of the generator's input; ``None`` for a generator of its condition alone.
        classes: number of classes of their condition; ``None`` for networks without one.
        source: shape of a source picture, where that is their condition.
        batch_size: samples that they are called with.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    for player, network in (("generator", generator), ("discriminator", discriminator)):
        try:
            require_two_inputs(player, network)
        except GanforgeError as error:
            raise AssertionError(str(error)) from error
    generator, discriminator = copy.deepcopy((generator, discriminator))
    own, judge = name_of(generator), name_of(discriminator)
    condition = None if classes is None else torch.arange(batch_size) % classes
    if source is not None:
        condition = torch.rand(batch_size, *source) * 2 - 1
    for training in (True, False):
        generator.train(training)
        discriminator.train(training)
        drawn = None if latent is None else latent(batch_size, generator=None, device=torch.device("cpu"))
        samples = _generated(generator, drawn, condition, (batch_size, *shape))
        logits = _logits(discriminator, samples, condition)
        for name, values in ((own, samples), (judge, logits)):
            require(values.is_floating_point(), f"{name} must return floats, got {values.dtype}.")
            require_finite([values], f"{name} must return finite values before it has been trained.")
    gradients = torch.autograd.grad(logits.sum(), _parameters(generator, own), allow_unused=True)
    reached = any(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients)
    require(reached, f"No gradient of {judge}'s logits reaches {own}'s parameters: is a tensor detached?")


def _generated(network: nn.Module, latent: Tensor | None, condition: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    try:
        samples: Tensor = network(latent, condition)
    except Exception as error:
        raise AssertionError(f"{name_of(network)} cannot be called with (latent, condition): {error}") from error
    require(isinstance(samples, Tensor), f"{name_of(network)} must return a tensor, got {type(samples).__name__}.")
    got = tuple(samples.shape)
    require(got == shape, f"{name_of(network)} must return samples of shape {shape}, got {got}.")
    return samples


def _logits(network: nn.Module, samples: Tensor, condition: Tensor | None) -> Tensor:
    try:
        return Critique.of(network(samples, condition), samples).logits
    except GanforgeError as error:
        raise AssertionError(f"{name_of(network)}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{name_of(network)} cannot be called with (samples, condition): {error}") from error


def _parameters(network: nn.Module, name: str) -> list[nn.Parameter]:
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    require(bool(parameters), f"{name} has no parameter to train.")
    return parameters
