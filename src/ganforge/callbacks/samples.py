"""Pictures of progress: samples from fixed latents, and loss curves."""

from pathlib import Path

import torch
from torch import Tensor

from ganforge.callbacks.clocked import Clocked
from ganforge.core.annotations import Count, Positive, Whole
from ganforge.core.distributed import rank
from ganforge.core.rng import torch_generator
from ganforge.data.columns import Split
from ganforge.data.images import save_png
from ganforge.data.module import DataModule
from ganforge.loggers.base import Loggers
from ganforge.models.base import AdversarialModule
from ganforge.sampling.sampler import Sampler
from ganforge.sampling.translation import heldout_sheet

__all__ = ["Curves", "SampleGrid"]


class SampleGrid(Clocked):
    """Writes and logs a picture of samples; the latents are the same each time, so that pictures can be compared.

    Args:
        folder: where ``NNNNNNNNN.png`` files go, named by images seen, and ``latest.png``; where a procedure has
            several samplers, those of all but the main one end in ``_<sampler>.png``.
        every_kimg: thousands of images between pictures.
        images: number of samples in a picture.
        seed: of the latents.
    """

    def __init__(self, folder: str, every_kimg: Positive, images: Count = 64, seed: Whole = 0) -> None:
        super().__init__(every_kimg)
        self.folder, self.images, self.seed = Path(folder), images, seed

    def picture(self, sampler: Sampler, data: DataModule | None = None) -> Tensor:
        """Return samples from averaged weights as their modality shows them, ``(3, H, W)`` uint8.

        Translations stand between their held-out sources and targets, where ``data`` has them.
        """
        if data is not None and sampler.source is not None:
            sheet = self._sheet(sampler.with_weights("ema"), data.splits().heldout)
            if sheet is not None:
                return sheet
        generator = torch_generator(self.seed, "grid", device=sampler.device)
        samples = sampler.with_weights("ema").sample(self.images, generator)
        return sampler.modality.picture(sampler.modality.encode(samples))

    def _sheet(self, sampler: Sampler, heldout: Split) -> Tensor | None:
        order = torch.randperm(len(heldout), generator=torch_generator(self.seed, "grid"))
        rows = order[: max(1, self.images // 4)]
        count = sampler.classes
        labels = [None] if count is None else [torch.full((len(rows),), k, device=sampler.device) for k in range(count)]
        with sampler.evaluating():
            return heldout_sheet(sampler, heldout, rows, labels)

    def draw(self, module: AdversarialModule, loggers: Loggers) -> None:
        """Draw, write and log; only rank 0 has something to do."""
        if rank() != 0:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, (name, sampler) in enumerate(module.samplers().items()):
            suffix = "" if number == 0 else f"_{name}"
            picture = self.picture(sampler, module.data)
            save_png(picture, self.folder / f"{module.images_seen:09d}{suffix}.png")
            save_png(picture, self.folder / f"latest{suffix}.png")
            loggers.log_picture(f"samples{suffix}", picture, module.images_seen)


class Curves(Clocked):
    """Draws losses and metrics against images seen from the run's ``metrics.csv``.

    Args:
        csv: the log.
        path: the picture.
        every_kimg: thousands of images between drawings.
    """

    def __init__(self, csv: str, path: str, every_kimg: Positive) -> None:
        super().__init__(every_kimg)
        self.csv, self.path = Path(csv), Path(path)

    def draw(self, loggers: Loggers) -> None:
        """Draw what the loggers have written, on rank 0."""
        if rank() == 0:
            from ganforge.reports.curves import draw_curves

            loggers.save()
            draw_curves(self.csv, self.path)
