"""Loggers that keep what they are given."""

from pytorch_lightning.loggers.logger import Logger

from ganforge.loggers.base import RunLogger


class Rows:
    """Values by their clock, in the order in which they came."""

    name, version = "rows", ""

    def __init__(self):
        super().__init__()
        self.rows = []
        self.pictures = []

    def log_hyperparams(self, params):
        pass

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))


class ForeignLogger(Rows, Logger):
    """One of Lightning's or a user's: knows nothing of pictures, protocols and alarms."""


class RecordingLogger(Rows, RunLogger):
    """One of ganforge's, which takes pictures too."""

    def log_picture(self, name, picture, images_seen):
        self.pictures.append((name, images_seen, picture))
