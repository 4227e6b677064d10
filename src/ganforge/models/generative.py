"""A module that draws samples: by named samplers, of the data module's modality."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import pytorch_lightning as pl
import torch
from torch import Tensor

from ganforge.data.columns import Split
from ganforge.data.modality import Modality, Raw
from ganforge.data.module import DataModule
from ganforge.models.game import Game
from ganforge.sampling.sampler import Sampler

__all__ = ["Generative"]


class Generative(pl.LightningModule, ABC):
    """The interface of a procedure for evaluation, sampling, export and health."""

    def __init__(self) -> None:
        super().__init__()
        self._modalities: dict[str | None, Modality] = {}
        #: The data module that was bound: phases with batches of their own take them from it.
        self.data: DataModule | None = None

    @abstractmethod
    def samplers(self) -> dict[str, Sampler]:
        """Return what the procedure draws samples with, by name, the main one first; cheap, and called often."""

    def games(self) -> Mapping[str, Game]:
        """Return each sampler's adversarial game by the sampler's name, where there is one."""
        return {}

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        ema: bool = True,
        generator: torch.Generator | None = None,
        sampler: str | None = None,
    ) -> Tensor:
        """Draw ``n`` samples as networks see them (images in [-1, 1]); batch norm uses its running statistics.

        Args:
            n: how many.
            condition: ``(n, ...)``; ``None`` draws conditions where the procedure has any.
            ema: use averaged weights, where there are any.
            generator: of latents and conditions; ``None``: the device's global one.
            sampler: its name; ``None`` for the main one.
        """
        samplers = self.samplers()
        chosen = samplers[sampler or next(iter(samplers))].with_weights("ema" if ema else "raw")
        return chosen.sample(n, generator, condition)

    def bind(self, data: DataModule) -> None:
        """Take from the data module what samples are; called before training, and when a run is restored."""
        self.data = data
        self._modalities = {None: data.modality}
        self._modalities.update(data.given)

    def modality_of(self, target: str | None = None) -> Modality:
        """Return what the dataset's column ``target`` is, ``None`` for ``data``; :class:`Raw` before :meth:`bind`."""
        return self._modalities.get(target, Raw())

    def check_data(self, train: Split) -> None:
        """Refuse data that the procedure cannot train on; called before training, once they are read."""

    def setup(self, stage: str) -> None:
        """Bind the trainer's data module, where it is ganforge's, and check what it holds."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, DataModule):
            self.bind(data)
            self.check_data(data.splits().train)
