"""What a run says of itself on the console."""

from typing import Any

from omegaconf import DictConfig

from ganforge.console import say
from ganforge.runs import RunFolder, command_line

__all__ = ["announce", "farewell", "final_scores", "format_scores"]


def format_scores(scores: dict[str, float]) -> str:
    """Return names and values on one line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in scores.items() if name != "images_seen")


def announce(config: DictConfig, folder: RunFolder, model: Any, data: Any, trainer: Any) -> None:
    """Say what is about to be trained, on what and where."""
    players = ", ".join(
        f"{name} {sum(p.numel() for module in modules for p in module.parameters()):,}"
        for name, modules in model.players().items()
    )
    say(f"{config.name}: {players} parameters; {len(data.splits().train):,} training images.")
    device = str(trainer.strategy.root_device)
    say(
        f"{config.total_kimg:g} kimg on {device} ({config.trainer.precision}), seed {config.seed}; everything goes "
        f"to {folder.path}"
    )


def final_scores(callbacks: list[Any], folder: RunFolder) -> dict[str, float]:
    """Return the last evaluation's values, and write them with their protocol."""
    from ganforge.callbacks.evaluate import Evaluate
    from ganforge.distributed import rank

    for callback in callbacks:
        if isinstance(callback, Evaluate):
            if rank() == 0:
                folder.update(scores=callback.last, best=callback.best, protocol=callback.tag)
            return callback.last
    return {}


def farewell(config: DictConfig, folder: RunFolder, scores: dict[str, float]) -> None:
    """Say where everything is, what came out, and what to try next."""
    status = folder.status()
    say(f"\nDone: {folder.path}")
    for name, what in (
        ("samples/latest.png", "generated images, from the averaged generator"),
        ("curves.png", "losses and metrics against images seen"),
        ("metrics.csv", "every value logged"),
        ("checkpoints/last.ckpt", "everything needed to go on; best.ckpt is the one with the lowest FID"),
        ("config.yaml", "the composed configuration; run.json has versions and the command"),
    ):
        if (folder.path / name).exists():
            say(f"  {name:<24}{what}")
    if scores:
        best = status["best"]
        say(
            f"Scores ({status['protocol']}): {format_scores(scores)}; best FID {best['fid']:.4g} at "
            f"{best['images_seen']:,} images"
        )
    say("Next, for example:")
    base = " ".join(
        [
            "ganforge train",
            *(word for word in command_line()[2:] if not word.startswith(("-", "resume", "force"))),
        ]
    )
    say(f"  {base} seed={config.seed + 1}")
    say(
        f"  {base} total_kimg={config.total_kimg * 2:g} network.width=64"
        if "network" in config
        else f"  {base} total_kimg=500"
    )
    say(f"  {base} loss=minimax")
