"""The progress bar, and the log of losses and speed."""

import os
import sys
import time

import pytorch_lightning as pl
from tqdm import tqdm

from ganforge.callbacks.clocked import Scoring, log_values, training_module
from ganforge.core.console import say
from ganforge.core.distributed import rank
from ganforge.core.sweep import label
from ganforge.models.base import AdversarialModule

__all__ = ["Progress"]


class Progress(pl.Callback):
    """Shows images seen, images/s, time left, losses and the last FID; sends each interval's means to the loggers.

    On a terminal it is one moving line; elsewhere (a log file, a batch job) a line each ``line_seconds``.

    Args:
        line_seconds: seconds between two lines where there is no terminal.
    """

    def __init__(self, line_seconds: float = 60.0) -> None:
        self.line_seconds = line_seconds
        self._bar: tqdm | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar where the clock stands."""
        module = training_module(pl_module)
        self._seen, self._time = module.images_seen, time.perf_counter()
        self._line_seen, self._line_time = self._seen, self._time
        if rank() == 0 and sys.stderr.isatty() and not label():  # runs side by side would draw over one another
            # A terminal that gives its size as 0 x 0 would make tqdm show nothing.
            known = min(os.get_terminal_size(sys.stderr.fileno())) > 0
            size = {"dynamic_ncols": True} if known else {"ncols": 80, "nrows": 24}
            self._bar = tqdm(
                total=module.total_images,
                initial=module.images_seen,
                unit="img",
                unit_scale=True,
                **size,
                smoothing=0.05,
            )

    def _text(self, trainer: pl.Trainer, module: AdversarialModule) -> dict[str, str]:
        """Return what to show beside the bar."""
        short = {"generator/adversarial": "G", "discriminator/adversarial": "D"}
        shown = {short[name]: f"{value:.3f}" for name, value in module.ledger.latest.items() if name in short}
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, Scoring) and callback.criterion in callback.last:
                shown[callback.criterion.replace("fid", "FID")] = f"{callback.last[callback.criterion]:.4g}"
        return shown

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Move the bar; log an interval's means when they have been read."""
        module = training_module(pl_module)
        if module.ledger.fresh is None:
            return
        seen, now = module.ledger.fresh, time.perf_counter()
        module.ledger.fresh = None
        rate = (module.images_seen - self._seen) / max(now - self._time, 1e-9)
        log_values(trainer, {**module.ledger.latest, "speed/images_per_second": rate}, seen)
        if self._bar is not None:
            self._bar.set_postfix(self._text(trainer, module), refresh=False)
            self._bar.update(module.images_seen - self._seen)
        elif now - self._line_time >= self.line_seconds:
            self._line(trainer, module, now)
        self._seen, self._time = module.images_seen, now

    def _line(self, trainer: pl.Trainer, module: AdversarialModule, now: float) -> None:
        rate = (module.images_seen - self._line_seen) / max(now - self._line_time, 1e-9)
        left = (module.total_images - module.images_seen) / max(rate, 1e-9)
        values = ", ".join(f"{name} {value}" for name, value in self._text(trainer, module).items())
        say(
            f"{module.images_seen / 1000:,.1f} of {module.total_images / 1000:,.1f} kimg, {rate:,.0f} images/s, "
            f"{left / 60:,.0f} min left, {values}"
        )
        self._line_seen, self._line_time = module.images_seen, now

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
