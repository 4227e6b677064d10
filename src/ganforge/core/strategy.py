"""Lightning's process handling with ganforge's own gradient averaging."""

from typing import Any

from pytorch_lightning.strategies import DDPStrategy
from torch import distributed, nn

__all__ = ["GradientAveraging"]


class GradientAveraging(DDPStrategy):
    """Lightning's DDP process handling without its wrapper; see :mod:`ganforge.core.distributed` for why.

    Parameters and buffers are broadcast from rank 0 once, before the first step.
    """

    def _setup_model(self, model: nn.Module) -> Any:
        for tensor in [*model.parameters(), *model.buffers()]:
            distributed.broadcast(tensor.data, src=0)
        return model

    def _register_ddp_hooks(self) -> None:
        """Register nothing: there is no wrapper to hook."""
