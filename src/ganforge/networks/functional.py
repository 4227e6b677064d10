"""Networks as functions of their weights."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from ganforge.networks.critique import Critique

__all__ = ["as_function"]


def as_function(network: nn.Module, weights: Mapping[str, Tensor] | None = None) -> Callable[..., Any]:
    """Return ``network`` as a function that leaves it as it is: what a call changes in buffers stays in copies.

    Args:
        network: in the mode (training or evaluation) that calls are to be made in.
        weights: stand for the parameters of the same names; gradients flow to them.

    Returns:
        A function of ``network``'s inputs. Its calls share one copy of the buffers, made now.
    """
    tensors = {name: buffer.clone() for name, buffer in network.named_buffers()} | dict(weights or {})
    replaced = {f"network.{name}": tensor for name, tensor in tensors.items()}
    whole = _Whole(network)

    def call(*inputs: Tensor | None) -> object:
        return functional_call(whole, replaced, inputs)

    return call


class _Whole(nn.Module):
    """A network that computes at once what its critique would compute when it is read, of other tensors then."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.training = network.training

    def forward(self, *inputs: Tensor | None) -> object:
        output: object = self.network(*inputs)
        return output.computed() if isinstance(output, Critique) else output
