"""Unrolled GAN (Metz et al. 2017, arXiv:1611.02163): the generator sees the discriminator's next steps."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from ganforge.core.annotations import Whole
from ganforge.core.errors import GanforgeError
from ganforge.losses.step import Step
from ganforge.models.surrogate import SurrogateGAN

__all__ = ["UnrolledGAN"]

Weights = dict[str, Tensor]


class UnrolledGAN(SurrogateGAN):
    """:class:`GAN` whose generator trains against the discriminator ``unroll_steps`` steps ahead (equations 3 to 6).

    The steps are differentiable: the generator's gradient flows through them too (the second term of equation
    9). They are those of the discriminator's own optimizer, at its present learning rate and, for Adam, from
    its present moments, on the phase's own batch of real and generated images, as in the authors' code. The
    discriminator itself then trains as in any GAN.

    Unlike the paper, where both players share one objective, each player has its own loss. The unrolled steps
    follow the adversarial loss alone: terms of the discriminator, its constraint, and the averaging of
    gradients over processes are left out of them.

    Args:
        unroll_steps: ``K``; 0 is :class:`GAN`.
        **gan: see :class:`GAN`.

    Raises:
        GanforgeError: if ``unroll_steps`` is negative, or the discriminator's optimizer is neither Adam nor
            plain SGD.
    """

    def __init__(self, *, unroll_steps: Whole = 5, **gan: Any) -> None:
        super().__init__(**gan)
        if unroll_steps < 0:
            raise GanforgeError(f"model.unroll_steps must be a whole number >= 0, got {unroll_steps}.")
        self.unroll_steps = unroll_steps
        maker = self.optimizer_maker("discriminator")
        if isinstance(maker, partial):  # as configurations give: refused before data is touched
            _check(maker.func, maker.keywords)

    def surrogate(self, step: Step) -> Weights:
        """See :class:`SurrogateGAN`."""
        parameters = dict(self.discriminator.named_parameters())
        weights = {name: weight.detach().clone().requires_grad_() for name, weight in parameters.items()}
        advance = self._optimizer_ahead(parameters)
        for _ in range(self.unroll_steps):
            discriminate = self.discriminate_with(weights)
            real = discriminate(step.real, step.condition).logits
            fake = discriminate(step.fake, step.fake_condition).logits
            loss = self.loss.discriminator(real, fake)
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True, materialize_grads=True)
            weights = advance(weights, gradients)
        return weights

    def _optimizer_ahead(self, parameters: Mapping[str, nn.Parameter]) -> "_Sgd | _Adam":
        """Return a differentiable copy of the discriminator's optimizer."""
        optimizer = self.optimizer_of("discriminator")
        _check(type(optimizer), optimizer.defaults)
        return (_Sgd if type(optimizer) is SGD else _Adam)(parameters, optimizer)


def _check(kind: object, options: Mapping[str, object]) -> None:
    """Refuse optimizers whose step :class:`_Sgd` and :class:`_Adam` do not make."""
    if kind not in (SGD, Adam):
        name = getattr(kind, "__name__", kind)
        raise GanforgeError(
            f"model=unrolled differentiates Adam's and SGD's steps, and optimizer.discriminator is {name}: "
            "choose optimizer=adam."
        )
    for option in ("momentum", "weight_decay", "amsgrad", "maximize"):
        if options.get(option):
            setting = f"optimizer.discriminator.{option}={options[option]}"
            raise GanforgeError(f"model=unrolled cannot unroll {setting}: leave it out.")


def _options(parameters: Mapping[str, nn.Parameter], optimizer: Optimizer) -> dict[str, dict[str, Any]]:
    """Return each parameter's option group by the parameter's name."""
    groups = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    return {name: groups[id(parameter)] for name, parameter in parameters.items() if id(parameter) in groups}


class _Sgd:
    """Plain gradient descent as a function."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], optimizer: Optimizer) -> None:
        self.options = _options(parameters, optimizer)

    def __call__(self, weights: Weights, gradients: Sequence[Tensor]) -> Weights:
        """Return the weights after a step; weights that the optimizer does not hold stay."""
        return {
            name: self.move(name, weight, gradient) if name in self.options else weight
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }

    def move(self, name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        """Return one weight after a step."""
        moved: Tensor = weight - self.options[name]["lr"] * gradient
        return moved


class _Adam(_Sgd):
    """Adam as a function, from an optimizer's present moments."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], optimizer: Optimizer) -> None:
        super().__init__(parameters, optimizer)
        self.moments: dict[str, tuple[Tensor, Tensor, float]] = {}
        for name in self.options:
            state, zero = optimizer.state.get(parameters[name], {}), torch.zeros_like(parameters[name])
            first, second = state.get("exp_avg", zero), state.get("exp_avg_sq", zero)
            self.moments[name] = first, second, float(state.get("step", 0))

    def move(self, name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        """See :class:`_Sgd`."""
        options, (first, second, count) = self.options[name], self.moments[name]
        beta1, beta2 = options["betas"]
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient.square()
        count += 1
        self.moments[name] = first, second, count
        # The smallest number keeps the root's derivative finite where a gradient has always been zero.
        root = (second / (1 - beta2**count) + torch.finfo(second.dtype).tiny).sqrt()
        moved: Tensor = weight - options["lr"] / (1 - beta1**count) * first / (root + options["eps"])
        return moved
