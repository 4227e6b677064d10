"""The progress bar, and the log of losses and speed."""

import os
import sys
import time

from tqdm import tqdm

from ganforge.callbacks.scores import Scores
from ganforge.core.annotations import NonNegative
from ganforge.core.console import say
from ganforge.core.distributed import rank
from ganforge.core.sweep import label
from ganforge.loggers.base import Loggers
from ganforge.models.base import AdversarialModule

__all__ = ["Progress"]


class Progress:
    """Shows images seen, images/s, time left, losses and the last FID; sends each interval's means to the loggers.

    On a terminal it is one moving line; elsewhere (a log file, a batch job) a line each ``line_seconds``.

    Args:
        line_seconds: seconds between two lines where there is no terminal.
    """

    def __init__(self, line_seconds: NonNegative = 60.0) -> None:
        self.line_seconds = line_seconds
        self._bar: tqdm | None = None

    def open(self, module: AdversarialModule) -> None:
        """Open the bar where the clock stands."""
        self._seen, self._time = module.images_seen, time.perf_counter()
        self._line_seen, self._line_time = self._seen, self._time
        terminal = _terminal_size() if rank() == 0 and not label() else None  # runs side by side would draw over others
        if terminal is not None:
            # A terminal that gives its size as 0 x 0 would make tqdm show nothing.
            size = {"dynamic_ncols": True} if min(terminal) > 0 else {"ncols": 80, "nrows": 24}
            self._bar = tqdm(
                total=module.total_images,
                initial=module.images_seen,
                unit="img",
                unit_scale=True,
                **size,
                smoothing=0.05,
            )

    def update(self, module: AdversarialModule, scores: Scores, loggers: Loggers) -> None:
        """Move the bar; log an interval's means when they have been read."""
        if module.ledger.fresh is None:
            return
        seen, now = module.ledger.fresh, time.perf_counter()
        module.ledger.fresh = None
        rate = (module.images_seen - self._seen) / max(now - self._time, 1e-9)
        loggers.log_metrics({**module.ledger.latest, "speed/images_per_second": rate}, seen)
        if self._bar is not None:
            self._bar.set_postfix(_shown(module, scores), refresh=False)
            self._bar.update(module.images_seen - self._seen)
        elif now - self._line_time >= self.line_seconds:
            self._line(module, scores, now)
        self._seen, self._time = module.images_seen, now

    def _line(self, module: AdversarialModule, scores: Scores, now: float) -> None:
        rate = (module.images_seen - self._line_seen) / max(now - self._line_time, 1e-9)
        left = (module.total_images - module.images_seen) / max(rate, 1e-9)
        values = ", ".join(f"{name} {value}" for name, value in _shown(module, scores).items())
        say(
            f"{module.images_seen / 1000:,.1f} of {module.total_images / 1000:,.1f} kimg, {rate:,.0f} images/s, "
            f"{left / 60:,.0f} min left, {values}"
        )
        self._line_seen, self._line_time = module.images_seen, now

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _terminal_size() -> os.terminal_size | None:
    """Return columns and rows of the terminal behind standard error; ``None`` without one, or if it was closed."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()) if sys.stderr.isatty() else None
    except (OSError, ValueError):
        return None


def _shown(module: AdversarialModule, scores: Scores) -> dict[str, str]:
    """Return the bar's postfix: the adversarial losses, and the criterion where it has been measured."""
    short = {"generator/adversarial": "G", "discriminator/adversarial": "D"}
    shown = {short[name]: f"{value:.3f}" for name, value in module.ledger.latest.items() if name in short}
    if scores.criterion in scores.last:
        shown[scores.criterion.replace("fid", "FID")] = f"{scores.last[scores.criterion]:.4g}"
    return shown
