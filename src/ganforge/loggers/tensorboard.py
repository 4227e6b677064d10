"""TensorBoard, as an option."""

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import TensorBoardLogger as LightningTensorBoard
from torch import Tensor

from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install
from ganforge.loggers.base import RunLogger

__all__ = ["TensorBoardLogger"]


class TensorBoardLogger(RunLogger, LightningTensorBoard):
    """Writes event files with images seen as the step.

    Args:
        folder: where the event files go.
    """

    def __init__(self, folder: str) -> None:
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise GanforgeError(f"logger=tensorboard needs TensorBoard: {install('tensorboard')}.") from error
        super().__init__(folder, name="", version="")

    @rank_zero_only
    def log_hyperparams(self, params: object, *args: object, **kwargs: object) -> None:
        """Ignore: the run's folder holds its configuration."""

    @rank_zero_only
    def log_picture(self, name: str, picture: Tensor, images_seen: int) -> None:
        """Write a ``(3, H, W)`` uint8 picture."""
        self.experiment.add_image(name, picture, images_seen)
