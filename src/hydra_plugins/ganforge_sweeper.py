"""Hydra's way to a sweeper of one's own: it must lie in this namespace. The work is done in :mod:`ganforge.sweeps`."""

from typing import TYPE_CHECKING

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from ganforge.sweeps.share import Workers

__all__ = ["GanforgeSweeper"]


class GanforgeSweeper(Sweeper):
    """Every combination of the values given; finished runs are skipped, and one that fails stops no other.

    Args:
        max_batch_size: how many runs a launcher is given at once; ``None``: all, or what suits the launcher.
        workers: what the launcher does with runs, a :class:`ganforge.sweeps.share.Workers`; ``None``: one by one.
    """

    def __init__(self, max_batch_size: int | None = None, workers: "Workers | None" = None) -> None:
        self.max_batch_size, self.workers = max_batch_size, workers

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives; the launcher is built when there is something to launch."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> object:
        """Run the sweep and show its table.

        Raises:
            GanforgeError: if the launcher is not installed, a run failed, or ``max_batch_size`` is no size.
            Stopped: after Ctrl-C or SIGTERM.
        """
        from ganforge.core.errors import GanforgeError
        from ganforge.sweeps.plan import plan
        from ganforge.sweeps.run import Sweep
        from ganforge.sweeps.share import Workers

        assert self.hydra_context is not None
        assert self.config is not None
        if self.max_batch_size is not None and (not isinstance(self.max_batch_size, int) or self.max_batch_size < 1):
            raise GanforgeError(
                f"hydra.sweeper.max_batch_size must be a whole number >= 1, got {self.max_batch_size}: null gives a "
                "launcher all runs at once."
            )
        jobs = plan(self.hydra_context.config_loader, self.config, arguments)
        workers = self.workers or Workers()
        return Sweep(self.hydra_context, self.task_function, self.config, jobs, self.max_batch_size, workers).run()
