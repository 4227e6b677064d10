"""Draw from a trained run: one composed configuration of ``conf/sample.yaml``."""

from pathlib import Path

from omegaconf import DictConfig

from ganforge.core.checks import check_nodes
from ganforge.core.console import log_to, say
from ganforge.core.errors import GanforgeError

__all__ = ["sample"]


def sample(config: DictConfig) -> Path:
    """Do what the mode says, and return the path that it wrote.

    Raises:
        GanforgeError: for everything that the user can put right.
    """
    with log_to(None):
        _require_run(config.run)
        check_nodes(config)
        from ganforge.core.build import build
        from ganforge.runs.restore import restore

        run = restore(config.run, config.checkpoint, config)
        sampler = run.sampler(
            config.sampler,
            ema=config.ema,
            seed=config.seed,
            truncation=config.truncation,
            device=config.device,
            batch_size=config.batch_size,
        )
        result = build(config.mode, "mode")(sampler).enlarged(config.zoom)
        name = config.mode._target_.rpartition(".")[2]
        chosen = f"_{config.sampler}" if config.sampler else ""
        default = run.folder.path / "samples" / f"{name}{chosen}{result.suffix}"
        path: Path = result.save(config.output or default, force=config.force)
        say(f"{path} ({run.checkpoint.name} at {run.images_seen:,} images). {result.note}".rstrip())
        return path


def _require_run(run: str | None) -> None:
    """Refuse a missing run before anything heavy is imported."""
    if run is None:
        runs = sorted(Path("outputs").glob("*/*/run.json"), key=lambda path: path.stat().st_mtime)
        newest = f"the newest one here is run={runs[-1].parent}" if runs else "run=outputs/<name>/<signature>"
        raise GanforgeError(f"Say which trained run to draw from: {newest}.")
    if not Path(run).expanduser().exists():
        raise GanforgeError(f"There is no run at '{run}': give run=outputs/<name>/<signature>, or a checkpoint's path.")
