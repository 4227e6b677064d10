"""Optimizers for games, configured as those of torch.optim."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganforge.core.annotations import NonNegative
from ganforge.core.errors import GanforgeError

__all__ = ["ExtraAdam", "Extragradient", "OptimisticAdam", "check_pairs"]


class _Adam(Optimizer):
    """Adam's options and directions, for optimizers that make steps of their own of them."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.5, 0.9),
        eps: float = 1e-8,
    ) -> None:
        _check_ranges(self, betas, lr=lr, eps=eps)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    def direction(self, state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
        """Update the moments in ``state``; return the first, over the root of the second, both bias-corrected."""
        if "step" not in state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        first = state["exp_avg"].lerp_(gradient, 1 - beta1)
        second = state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (second / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        direction: Tensor = (first / (1 - beta1 ** state["step"])).div_(root)
        return direction


class OptimisticAdam(_Adam):
    """Optimistic Adam (Daskalakis et al. 2018, arXiv:1711.00141, algorithm 1).

    With Adam's direction ``d_t``, the bias-corrected first moment over the root of the second, a step is
    ``- lr * (2 d_t - d_{t-1})``: the present direction and its change since the last step. In a bilinear game plain
    gradient steps spiral outwards; these approach the equilibrium. The first step has no last one and is twice Adam's.

    Where ``beta2`` forgets quickly, steps keep their length however small the gradient is, and the players orbit the
    equilibrium at a distance of about ``lr``. The authors' code corrects the bias of the last direction by the present
    count; here it stays as it was, as in the paper.

    Args:
        params: parameters or groups of them.
        lr: learning rate; where a schedule moves it, both directions take the present one.
        betas: decay of the first and the second moment.
        eps: added to the root.

    Raises:
        GanforgeError: if a value is out of range.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; ``closure`` computes gradients anew and returns the loss."""
        loss = _loss(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    last = state.get("direction")
                    state["direction"] = direction = self.direction(state, parameter.grad, group)
                    parameter.add_(direction, alpha=-2 * group["lr"])
                    if last is not None:
                        parameter.add_(last, alpha=group["lr"])
        return loss


class _Lookahead(Optimizer):
    """Steps in pairs: :class:`Extragradient` describes them."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Extrapolate, or update; ``closure`` computes gradients anew and returns the loss."""
        loss = _loss(closure)
        for group in self.param_groups:
            # Groups are saved and restored: this is which call of a pair comes next.
            extrapolated = group.setdefault("extrapolated", False)
            for parameter in group["params"]:
                state = self.state[parameter]
                if not extrapolated:
                    state["kept"] = parameter.detach().clone()
                elif "kept" in state:
                    parameter.copy_(state.pop("kept"))
                if parameter.grad is not None:
                    parameter.add_(self.direction(state, parameter.grad, group), alpha=-group["lr"])
            group["extrapolated"] = not extrapolated
        return loss

    def direction(self, state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
        """Return what a step goes against, at the length of 1; it may keep moments in ``state``."""
        return gradient


class Extragradient(_Lookahead):
    """Gradient descent that looks ahead (Korpelevich 1976; for GANs Gidel et al. 2019, arXiv:1802.10551, algorithm 2).

    Calls of ``step`` come in pairs. The first extrapolates: it keeps the weights aside and makes a step from them. The
    second takes the gradient that was found at the extrapolated place and makes the step with it from the kept
    weights. Where both players do so at the same time, a pair multiplies the distance to a nearby equilibrium by
    ``I + h J + h^2 J^2``, which contracts where the game only turns and plain steps ``I + h J`` spiral outwards.

    It is made for ``model=simultaneous``, one phase a player and batch. A pair uses two batches, as in the paper.
    Between the calls of a pair the network holds the extrapolated weights, and whatever reads it then reads those: a
    checkpoint (which keeps the others too, so that a resumed run goes on in the middle of a pair), an evaluation of
    raw weights, and the average of the generator, which counts after each call and so is over both kinds. An even
    number of batches between evaluations makes raw weights the updated ones.

    Args:
        params: parameters or groups of them.
        lr: learning rate ``h``; where a schedule moves it, each call takes the present one.

    Raises:
        GanforgeError: if ``lr`` is negative.
    """

    def __init__(self, params: Iterable[Any], lr: NonNegative = 1e-3) -> None:
        _check_ranges(self, lr=lr)
        super().__init__(params, {"lr": lr})


class ExtraAdam(_Adam, _Lookahead):
    """:class:`Extragradient` with Adam's directions (Gidel et al. 2019, algorithm 4).

    The extrapolation and the update both enter the moments, and both count for their bias correction.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: decay of the first and the second moment, a call.
        eps: added to the root.

    Raises:
        GanforgeError: if a value is out of range.
    """


def check_pairs(optimizer: Optimizer, player: str, periods: Sequence[int]) -> None:
    """Refuse phases in which an :class:`Extragradient` could not keep its pairs.

    Args:
        optimizer: of any kind; others are let pass.
        player: whose it is.
        periods: how many batches apart each of the player's phases runs.

    Raises:
        GanforgeError: unless the player has one phase, on each batch.
    """
    if isinstance(optimizer, _Lookahead) and list(periods) != [1]:
        raise GanforgeError(
            f"optimizer.{player} is {type(optimizer).__name__}, whose steps come in pairs of batches, and lazy terms "
            "or model.n_critic would break them: set every=1 of its terms and model.n_critic=1, or choose another "
            "optimizer."
        )


def _check_ranges(optimizer: Optimizer, betas: tuple[float, ...] = (), **values: float) -> None:
    name = type(optimizer).__name__
    for option, value in values.items():
        if value < 0:
            raise GanforgeError(f"{name}: {option} must not be negative, got {value}.")
    for beta in betas:
        if not 0 <= beta < 1:
            raise GanforgeError(f"{name}: betas must be in [0, 1), got {tuple(betas)}.")


def _loss(closure: Callable[[], float] | None) -> float | None:
    """Call what computes gradients anew, where there is one."""
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
