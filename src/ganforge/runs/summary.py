"""What is printed when a run begins and when it ends."""

import shlex
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from ganforge.core.console import say
from ganforge.core.sweep import inside_a_sweep
from ganforge.runs.folder import RunFolder

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    from ganforge.data.module import DataModule
    from ganforge.models.base import AdversarialModule

__all__ = ["announce", "format_scores", "print_summary"]

#: Keys that say how this run begins, or that the examples of other runs change.
_OF_THIS_RUN = ("resume", "force", "retry", "seed", "total_kimg", "loss")

_BUDGETS = {
    "paper": "Budget: paper, its widths, batch, rates and length; budget=small is for two CPU cores.",
    "small": "Budget: small, minutes on two CPU cores; budget=paper has the paper's widths, batch, rates and length.",
}


def format_scores(scores: dict[str, float]) -> str:
    """Return names and values on one line."""
    return ", ".join(f"{name} {value:.4g}" for name, value in scores.items() if name != "images_seen")


def announce(
    config: DictConfig, folder: RunFolder, model: "AdversarialModule", data: "DataModule", trainer: "Trainer"
) -> None:
    """Print what is about to be trained, on what and where."""
    players = ", ".join(
        f"{name} {sum(p.numel() for module in modules for p in module.parameters()):,}"
        for name, modules in model.players().items()
    )
    say(f"{config.name}: {players} parameters; {len(data.splits().train):,} training images.")
    say(_BUDGETS.get(config.budget.name, f"Budget: {config.budget.name}."))
    device = str(trainer.strategy.root_device)
    say(
        f"{config.total_kimg:g} kimg on {device} ({config.trainer.precision}), seed {config.seed}; everything goes "
        f"to {folder.path}"
    )


def print_summary(config: DictConfig, folder: RunFolder, scores: dict[str, float]) -> None:
    """Print where everything is, the scores, and what to try next; for a run of a sweep only the scores."""
    if inside_a_sweep():
        result = f" {format_scores(scores)} ({folder.status()['protocol']})" if scores else ""
        say(f"Done: {folder.path}{result}")
        return
    status = folder.status()
    say(f"\nDone: {folder.path}")
    for name, what in (
        ("samples/latest.png", "generated images, from the averaged generator"),
        ("curves.png", "losses and metrics against images seen"),
        ("metrics.csv", "every value logged"),
        ("checkpoints/last.ckpt", "everything needed to go on; best.ckpt scored best"),
        ("config.yaml", "the composed configuration; run.json has versions and the command"),
    ):
        if (folder.path / name).exists():
            say(f"  {name:<24}{what}")
    if scores:
        best, criterion = status["best"], status["criterion"]
        say(f"Scores ({status['protocol']}): {format_scores(scores)}")
        say(f"Best {criterion}: {best[criterion]:.4g} at {best['images_seen']:,} images")
    kept = [word for word in status["command"][2:] if word.lstrip("+").partition("=")[0] not in _OF_THIS_RUN]
    say("Next, for example:")
    for change in (f"seed={config.seed + 1}", "loss=hinge", f"total_kimg={config.total_kimg * 2:g} resume=extend"):
        say(f"  {shlex.join(['ganforge', 'train', *kept, *change.split()])}")
