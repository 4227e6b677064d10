"""A module's own training step without a Trainer: for theory, tests and notebooks."""

from torch import Tensor

from ganforge.core.workarounds import stand_in_trainer
from ganforge.data.columns import Batch
from ganforge.models.base import AdversarialModule

__all__ = ["ManualLoop"]


class ManualLoop:
    """Calls ``module.training_step`` on given batches, in one process and the tensors' precision.

    It puts in the Trainer's place the few things that the step asks it for: the optimizers, a backward
    pass, and somewhere to say that the run is over. There are no callbacks, no loggers and no autocast.

    Args:
        module: what to train; it is left in training mode.
    """

    def __init__(self, module: AdversarialModule) -> None:
        self.module = module.train()
        self.optimizers = module.configure_optimizers()
        module.trainer = stand_in_trainer(self.optimizers, self._backward)

    @staticmethod
    def _backward(loss: Tensor, optimizer: None) -> None:
        loss.backward()

    def step(self, batch: Batch) -> None:
        """Train on one batch."""
        self.module.training_step(batch, self.module.batches_seen)
