"""What ganforge changes for the whole process, or does behind another library's public interface; each with its reason.

Whatever breaks with a new version of Hydra, Lightning or torch is here. Nothing heavy is imported before it is used.
"""

import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.launch import STATUSES
from ganforge.core.signals import SLURM_WARNINGS, ignore
from ganforge.core.streams import console_optional

if TYPE_CHECKING:
    from lightning_fabric.plugins import TorchCheckpointIO
    from pytorch_lightning.strategies import DDPStrategy

__all__ = [
    "accept_launchers_of_plugins",
    "checkpoints_in_place",
    "command_line",
    "errors_of_hydra",
    "files_read_by_name",
    "gradient_averaging",
    "quiet_lightning",
    "run_from",
    "stand_in_trainer",
]


_WAYS_OUT = {
    "found character '\\t' that cannot start any token": "it is indented with tabs: use spaces",
    "found duplicate key": "a key is there twice: keep one",
}


@contextmanager
def command_line(*words: str) -> Iterator[None]:
    """Replace ``sys.argv``: Hydra parses it and takes no argument instead, and a run records it as its command."""
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def errors_of_hydra() -> Iterator[None]:
    """Let Hydra raise what goes wrong: by itself it prints several lines and exits, and ours is one sentence."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]


def run_from(folder: str) -> None:
    """Change to the launching process's folder: a launcher's worker has one of its own, and paths are relative."""
    os.chdir(folder)


def accept_launchers_of_plugins() -> None:
    """Silence Hydra's warning that files of ``conf/hydra/launcher`` bear plugins' names: they replace theirs."""
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")


def files_read_by_name() -> None:
    """Let Hydra name the file that it cannot read, and read those that begin with a byte order mark; may be repeated.

    Hydra finds the line ``# @package`` with its own parser, which takes the mark, invisible and written by editors on
    Windows, for a first line of content: all values of the file would go to a package that nobody reads.
    """
    from hydra._internal.sources_registry import SourcesRegistry
    from hydra.core.plugins import Plugins
    from hydra.plugins.config_source import ConfigResult, ConfigSource
    from omegaconf import OmegaConf

    Plugins.instance()  # imports the classes of sources, and registers them
    source: Any = SourcesRegistry.instance().resolve("file")
    if getattr(source.load_config, "names_files", False):
        return
    header, read = ConfigSource._get_header_dict, source.load_config

    def header_without_mark(config_text: str) -> dict[str, str | None]:
        return header(config_text.removeprefix("\ufeff"))

    def load_by_name(self: ConfigSource, config_path: str) -> ConfigResult:
        file = os.path.join(self.path, self._normalize_file_name(config_path))
        try:
            loaded: ConfigResult = read(self, config_path)
        except Exception as error:
            raise _unreadable(file, error) from error
        if not OmegaConf.is_dict(loaded.config):
            raise GanforgeError(f"'{file}' must hold keys and values, as in 'seed: 1'.")
        return loaded

    load_by_name.names_files = True  # type: ignore[attr-defined]
    ConfigSource._get_header_dict = staticmethod(header_without_mark)  # type: ignore[method-assign]
    source.load_config = load_by_name


def _unreadable(file: str, error: Exception) -> Exception:
    """Return the sentence for a file of configuration that cannot be read; an error that says it already as it is."""
    from hydra.plugins.config_source import ConfigLoadError

    if isinstance(error, ConfigLoadError | GanforgeError):
        return error
    if isinstance(error, UnicodeDecodeError):
        return GanforgeError(f"'{file}' is not in UTF-8, which configurations are written in: save it as UTF-8.")
    if isinstance(error, OSError):
        return GanforgeError(f"'{file}' cannot be read: {error.strerror or first_line(error)}.")
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or first_line(error)
    place = f"'{file}', line {mark.line + 1}" if mark is not None else f"'{file}'"
    reason = next((way for text, way in _WAYS_OUT.items() if problem.startswith(text)), f"it is no YAML ({problem})")
    return GanforgeError(f"{place}: {reason}.")


def quiet_lightning() -> None:
    """Silence what Lightning logs of itself, and warnings of what is meant to be so; errors are still reported."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # images are in memory: whole batches are indexed
        ".*GPU available but not used.*",
        ".*isinstance.treespec, LeafSpec.*is deprecated.*",  # inside Lightning
    ):
        warnings.filterwarnings("ignore", message=message)


def gradient_averaging() -> "DDPStrategy":
    """Return Lightning's DDP strategy without its wrapper, by two of its private hooks.

    Lightning offers process handling and the wrapper only together; :mod:`ganforge.core.distributed` has the reason
    for averaging gradients without one. Parameters and buffers are broadcast from rank 0 once, before the first step.
    """
    from pytorch_lightning.strategies import DDPStrategy
    from torch import distributed, nn

    class GradientAveraging(DDPStrategy):
        def _setup_model(self, model: nn.Module) -> Any:  # its own gives the wrapper
            for tensor in [*model.parameters(), *model.buffers()]:
                distributed.broadcast(tensor.data, src=0)
            return model

        def _register_ddp_hooks(self) -> None:
            """Register nothing: there is no wrapper to hook."""

    return GradientAveraging()


def checkpoints_in_place() -> "TorchCheckpointIO":
    """Return Lightning's plugin that writes checkpoints, but for where it writes.

    Its own writes to the machine's temporary folder first, which may be full where the run's disk is not, and where a
    killed process leaves whole checkpoints behind.
    """
    import torch
    from lightning_fabric.plugins import TorchCheckpointIO

    class InPlace(TorchCheckpointIO):
        def save_checkpoint(
            self, checkpoint: dict[str, object], path: str | os.PathLike[str], storage_options: object = None
        ) -> None:
            content = BytesIO()  # torch's own writer hides why it fails
            torch.save(checkpoint, content)
            with open(path, "wb") as file:
                file.write(content.getbuffer())

    return InPlace()


def stand_in_trainer(optimizers: Sequence[object], backward: Callable[..., None]) -> Any:
    """Return what a training step asks a Trainer for: ``self.optimizers()`` reads the strategy's private list."""
    strategy = SimpleNamespace(_lightning_optimizers=optimizers, backward=backward)
    return SimpleNamespace(optimizers=optimizers, strategy=strategy, should_stop=False, precision_plugin=None)


@console_optional()
def _run_torchrun(arguments: Sequence[str]) -> int:
    """Run torch's launcher without its reports, since the processes have reported what went wrong; return the status.

    Its ``main`` is wrapped in what prints the reports, and how the processes ended comes as private exceptions.
    """
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)
    ignore(SLURM_WARNINGS)  # SLURM sends them to every process; the training ones act on it
    try:
        inspect.unwrap(run.main)(list(arguments))
    except SignalException as signalled:
        return 128 + int(signalled.sigval)
    except ChildFailedError as failed:
        # When one ends the others fail as well: what a study has to know counts before that.
        codes = [int(failure.exitcode) for failure in failed.failures.values()]
        return next((code for code in codes if code in STATUSES), int(failed.get_first_failure()[1].exitcode))
    return 0


if __name__ == "__main__":  # started by ganforge.core.launch
    sys.exit(_run_torchrun(sys.argv[1:]))
