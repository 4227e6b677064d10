"""Optimizers made for games, to be chosen as those of torch.optim are."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ganforge.errors import GanforgeError

__all__ = ["OptimisticAdam"]


class OptimisticAdam(Optimizer):
    """Adam that steps against the gradient it expects next (Daskalakis et al. 2018, arXiv:1711.00141, algorithm 1).

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

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.5, 0.9),
        eps: float = 1e-8,
    ) -> None:
        for name, value in {"lr": lr, "eps": eps}.items():
            if value < 0:
                raise GanforgeError(f"OptimisticAdam: {name} must not be negative, got {value}.")
        for beta in betas:
            if not 0 <= beta < 1:
                raise GanforgeError(f"OptimisticAdam: betas must be in [0, 1), got {tuple(betas)}.")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; ``closure`` computes gradients anew and returns the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    last = state.get("direction")
                    state["direction"] = direction = self._direction(state, parameter.grad, group)
                    parameter.add_(direction, alpha=-2 * group["lr"])
                    if last is not None:
                        parameter.add_(last, alpha=group["lr"])
        return loss

    @staticmethod
    def _direction(state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
        """Update the moments and return Adam's direction."""
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        first = state["exp_avg"].lerp_(gradient, 1 - beta1)
        second = state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (second / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        direction: Tensor = (first / (1 - beta1 ** state["step"])).div_(root)
        return direction
