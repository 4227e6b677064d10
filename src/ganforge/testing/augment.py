"""What holds for every augmentation of the discriminator's input."""

import copy
from functools import partial

import torch
from torch import Tensor

from ganforge.augment.base import Augment
from ganforge.testing.expect import name_of, require, require_finite, require_same_state

__all__ = ["check_augment"]


def check_augment(augment: Augment, samples: Tensor | None = None) -> None:
    """Check that an augmentation keeps shape and dtype, can be differentiated twice, and keeps what it adapts.

    Args:
        augment: as training would have it; it is left as it is.
        samples: ``(n, ...)`` floats to call it on; ``None``: noise images of 3 channels and 32 pixels.

    Raises:
        AssertionError: in a sentence, for what does not hold.
    """
    name, augment = name_of(augment), copy.deepcopy(augment)
    samples = torch.rand(6, 3, 32, 32) * 2 - 1 if samples is None else samples
    require(not list(augment.parameters()), f"{name} must hold no parameters: nothing trains them; register buffers.")
    for dtype in (torch.float32, torch.bfloat16):
        given = samples.to(dtype)
        with torch.autocast("cpu", torch.bfloat16):
            seen = augment(augment.pseudo(given, partial(torch.neg, given)))
        require(seen.shape == given.shape, f"{name} must keep the shape {tuple(given.shape)}, got {tuple(seen.shape)}.")
        require(seen.dtype == dtype, f"{name} must keep {dtype} under autocast, got {seen.dtype}.")
        require_finite([seen], f"{name} must give finite samples.")
    _check_gradients(augment, samples, name)
    _check_state(augment, name)


def _check_gradients(augment: Augment, samples: Tensor, name: str) -> None:
    leaves = samples.clone().requires_grad_()
    weight = (torch.randn(samples[0].numel()) / 100).requires_grad_()
    logits = (augment(leaves).flatten(1) @ weight).tanh()
    gradients = torch.autograd.grad(logits.sum(), leaves, create_graph=True, allow_unused=True)
    require(gradients[0] is not None, f"{name} must pass gradients to the samples: it must be differentiable.")
    gradients[0].square().sum().backward()
    for what, tensor in (("samples", leaves), ("weights", weight)):
        reached = tensor.grad is not None and bool(tensor.grad.isfinite().all() and tensor.grad.abs().sum() > 0)
        require(reached, f"{name} must be differentiable twice, as gradient penalties are: none reaches the {what}.")


def _check_state(augment: Augment, name: str) -> None:
    fresh = copy.deepcopy(augment)
    for _ in range(6):
        augment.observe(torch.ones(8), 8)
    fresh.load_state_dict(augment.state_dict())
    before = {key: value.clone() for key, value in augment.state_dict().items()}
    require_same_state(before, fresh.state_dict(), f"{name} adapts to something that is not in its state_dict.")
    seen = [value.clone() for value in augment.scalars().values()]
    kept = list(fresh.scalars().values())
    same = len(seen) == len(kept) and all(map(torch.equal, seen, kept))
    require(same, f"{name} adapts to something that is not in its state_dict: make it a buffer.")
    augment.to(torch.bfloat16)
    require_same_state(before, augment.state_dict(), f"{name}'s buffers must keep their dtype: see Augment.")
    require(all(value.shape == () for value in seen), f"{name}.scalars() must be scalar tensors.")
