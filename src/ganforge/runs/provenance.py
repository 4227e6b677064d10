"""What a run was made with: options, environment, commit and versions."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from omegaconf import DictConfig

from ganforge import __version__
from ganforge.core.build import foreign_packages
from ganforge.core.trust import version_of

__all__ = ["provenance"]

_PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "torchmetrics",
    "torch-fidelity",
    "wandb",
    "numpy",
)


def provenance(config: DictConfig) -> dict[str, object]:
    """Return what ``run.json`` keeps of the program, of trusted packages in the configuration, and of the machine."""
    return {
        "environment": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")},
        "choices": _choices(),
        "git": _git_commit(),
        "python": platform.python_version(),
        "packages": {"ganforge": __version__, **{name: _version(name) for name in _PACKAGES}},
        "trusted": {name: version_of(name) for name in foreign_packages(config)},
    }


def _choices() -> dict[str, str]:
    """Return the option taken from each group, such as ``{"loss": "hinge"}``; composed values do not say."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return {}
    choices = HydraConfig.get().runtime.choices
    return {str(group): str(option) for group, option in choices.items() if not str(group).startswith("hydra/")}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit of ganforge's own checkout, marked if files have changed; ``None`` for an installed package."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        head = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        changed = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "-uno"],
            check=False,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
