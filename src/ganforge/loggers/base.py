"""The base of ganforge's loggers, and all loggers of a run as one."""

from collections.abc import Mapping, Sequence

from pytorch_lightning.loggers.logger import Logger
from torch import Tensor

__all__ = ["Loggers", "RunLogger"]


class RunLogger(Logger):
    """A Lightning logger with hooks for pictures, alarms, protocols and resuming, empty by default."""

    def log_measured(self, values: dict[str, float], images_seen: int, protocol: str) -> None:
        """Log values measured under a protocol, given by its name and hash."""
        self.log_metrics(values, step=images_seen)

    def log_picture(self, name: str, picture: Tensor, images_seen: int) -> None:
        """Log a ``(3, H, W)`` uint8 picture."""

    def log_alarm(self, title: str, text: str) -> None:
        """Log an alarm, with a notification where the logger has one."""

    def log_origin(self, origin: Mapping[str, object]) -> None:
        """Link the run to the one that it begins from, before training."""

    def rewind(self, images_seen: int) -> None:
        """Drop what was logged after a clock from which training is about to go on."""

    def state_dict(self) -> dict[str, object]:
        """Return the logger's state for checkpoints, as plain containers."""
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore the state of :meth:`state_dict`, before training resumes."""


class Loggers:
    """All loggers of a run as one; those that are no :class:`RunLogger` get the values and nothing else.

    Args:
        loggers: as the Trainer has them.
    """

    def __init__(self, loggers: Sequence[Logger]) -> None:
        self._own = [logger for logger in loggers if isinstance(logger, RunLogger)]
        self._foreign = [logger for logger in loggers if not isinstance(logger, RunLogger)]

    def log_metrics(self, values: dict[str, float], images_seen: int) -> None:
        """Log values, placed at ``images_seen``."""
        for logger in (*self._own, *self._foreign):
            logger.log_metrics(values, step=images_seen)

    def log_measured(self, values: dict[str, float], images_seen: int, protocol: str) -> None:
        """Log values measured under a protocol."""
        for logger in self._own:
            logger.log_measured(values, images_seen, protocol)
        for other in self._foreign:
            other.log_metrics(values, step=images_seen)

    def log_picture(self, name: str, picture: Tensor, images_seen: int) -> None:
        """Log a ``(3, H, W)`` uint8 picture where pictures are taken."""
        for logger in self._own:
            logger.log_picture(name, picture, images_seen)

    def log_alarm(self, title: str, text: str) -> None:
        """Log an alarm, with a notification where the logger has one."""
        for logger in self._own:
            logger.log_alarm(title, text)

    def log_origin(self, origin: Mapping[str, object]) -> None:
        """Link the run to the one that it begins from, before training.

        Args:
            origin: ``run``, ``checkpoint``, ``images_seen``, ``networks``, ``clock``, ``changed``, and ``wandb``, its
                identifier at Weights & Biases or ``None``.
        """
        for logger in self._own:
            logger.log_origin(origin)

    def save(self) -> None:
        """Flush all loggers."""
        for logger in (*self._own, *self._foreign):
            logger.save()

    def rewind(self, images_seen: int) -> None:
        """Drop what was logged after ``images_seen``."""
        for logger in self._own:
            logger.rewind(images_seen)

    def state_dict(self) -> dict[str, object]:
        """Return the loggers' states by their classes' names; those without one are left out."""
        states = {type(logger).__name__: logger.state_dict() for logger in self._own}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, states: Mapping[str, dict[str, object]]) -> None:
        """Restore the states of :meth:`state_dict`, for loggers that are still there."""
        for logger in self._own:
            if type(logger).__name__ in states:
                logger.load_state_dict(states[type(logger).__name__])
