"""What works on this machine: devices, weights, datasets, logins, launchers."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from ganforge import __version__
from ganforge.core.config import compose, config_folder, quoted
from ganforge.core.console import log_to, say
from ganforge.core.devices import choose_device
from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install
from ganforge.core.messages import find_cause
from ganforge.core.yaml_files import read_yaml

__all__ = ["Finding", "doctor"]

#: Inception Score of CIFAR-10's training images by torch-fidelity's own README, and how near a right set-up comes.
CIFAR10_SCORE, CIFAR10_TOLERANCE = 11.237, 0.1

_PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "hydra-core",
    "torchmetrics",
    "torch-fidelity",
    "wandb",
)
_EXTRAS = {
    "offline": ("efficientnet_lite_pytorch", "protocol=offline"),
    "dinov2": ("timm", "protocol=fd_dinov2"),
    "tensorboard": ("tensorboard", "logger=tensorboard"),
}


class Finding(NamedTuple):
    """One line of the report: what, whether it is there, and what that means."""

    what: str
    state: str
    detail: str


def doctor(config: DictConfig) -> None:
    """Print what is here; with ``cifar10=true`` also score CIFAR-10's training images, where they and the weights are.

    Raises:
        GanforgeError: if a check failed; what is absent is no failure: nothing but torch is needed for everything.
    """
    failed: list[Finding] = []
    with log_to(None):
        for title, check in PARTS.items():
            say(title)
            for finding in check(config):
                failed += [finding] if finding.state == "FAILED" else []
                say(f"  {finding.state:<8} {finding.what:<34} {finding.detail}")
    if failed:
        raise GanforgeError(f"Failed: {', '.join(f'{finding.what} ({finding.detail})' for finding in failed)}.")


def _versions(config: DictConfig) -> Iterator[Finding]:
    yield Finding("python", "yes", platform.python_version())
    yield Finding("ganforge", "yes", __version__)
    for name in _PACKAGES:
        try:
            yield Finding(name, "yes", metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding(name, "FAILED", f"not installed: pip install {name}")
    for extra, (module, use) in _EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        yield Finding(f"extra {extra}", "yes" if there else "no", use if there else f"{install(extra)} for {use}")


def _devices(config: DictConfig) -> Iterator[Finding]:
    import torch

    yield Finding(
        "cpu",
        "yes",
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}",
    )
    if not torch.cuda.is_available():
        yield Finding("cuda", "no", f"torch {torch.__version__} sees no device; trainer=cpu is what auto takes")
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield Finding(f"cuda:{number}", "yes", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, {bf16}")
    mps = torch.backends.mps.is_available()
    yield Finding("mps", "yes" if mps else "no", "Apple's GPU" if mps else "")


def _weights(config: DictConfig) -> Iterator[Finding]:
    import torch

    from ganforge.metrics.extractors import DigitClassifier, DinoV2, EfficientNetLite0, Inception
    from ganforge.metrics.perceptual import load_lpips

    for protocols, extractor in {
        "digits": DigitClassifier(),
        "offline": EfficientNetLite0(),
        "fid50k_train and its kind": Inception(),
        "fd_dinov2": DinoV2(),
    }.items():
        yield _available(f"protocol {protocols}", lambda: f"weights {extractor.load().weights}")  # noqa: B023 - called at once
    yield _available("LPIPS, perceptual path length", lambda: type(load_lpips("vgg", torch.device("cpu"))).__name__)


def _datasets(config: DictConfig) -> Iterator[Finding]:
    from ganforge.core.build import build
    from ganforge.data.attribution import ATTRIBUTIONS

    files = sorted((config_folder() / "data").glob("*.yaml"))
    images = [file.stem for file in files if "image_size" in read_yaml(file)["data"]]  # points are always there
    packaged = tuple(name for name, attribution in ATTRIBUTIONS.items() if attribution.extra)
    for name in [name for name in images if not name.startswith(packaged)]:  # those have a part of their own

        def count(name: str = name) -> str:
            splits = build(_composed(config, f"data={name}").data, "data").splits()
            return f"{len(splits.train):,} training and {len(splits.heldout):,} held-out images"

        yield _available(f"data={name}", count)


def _pictures_in_packages(config: DictConfig) -> Iterator[Finding]:
    """Say which packages with pictures are here, who made these, and under which licence."""
    from ganforge.data.attribution import ATTRIBUTIONS

    for name, (package, extra, works) in ATTRIBUTIONS.items():
        try:
            yield Finding(f"data={name}", "yes", f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            yield Finding(f"data={name}", "no", f"{package}: {install(extra) if extra else f'pip install {package}'}")
        for work in works:
            yield Finding("", "", work)


def _composed(config: DictConfig, *words: str) -> DictConfig:
    """Compose what is to be tried, with the folders that the command was given."""
    places = [f"paths.{name}={quoted(str(path))}" for name, path in config.paths.items() if path is not None]
    return compose([*words, *places])


def _services(config: DictConfig) -> Iterator[Finding]:
    from ganforge.loggers.wandb import choose_mode

    mode, reason = choose_mode()
    yield Finding("W&B online", "yes" if mode == "online" else "no", reason)
    slurm = shutil.which("sbatch")
    yield Finding("SLURM", "yes" if slurm else "no", slurm or "no sbatch on the PATH")
    for name, plugin in {
        "joblib": "hydra_plugins.hydra_joblib_launcher",
        "submitit": "hydra_plugins.hydra_submitit_launcher",
        "ray": "hydra_plugins.hydra_ray_launcher",
    }.items():
        there = _importable(plugin)
        yield Finding(f"launcher {name}", "yes" if there else "no", "" if there else install(name))


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _available(what: str, question: Callable[[], str]) -> Finding:
    """Return what a check finds; an error message means that it is not here."""
    try:
        return Finding(what, "yes", question())
    except Exception as error:
        cause = find_cause(error)  # Hydra wraps what a constructor raises
        if cause is None:
            raise
        return Finding(what, "no", str(cause))


def _checks(config: DictConfig) -> Iterator[Finding]:
    """Score real images: a wrong resize, order or weight shows here."""
    from ganforge.core.build import build

    what = f"IS(CIFAR-10 train) = {CIFAR10_SCORE} +- {CIFAR10_TOLERANCE}"
    from ganforge.metrics.evaluation import Evaluation
    from ganforge.metrics.sources import Stored

    try:
        composed = _composed(config, "data=cifar10", "protocol=is50k_10splits")
        (protocol,) = (build(entry, "protocol") for entry in composed.protocol.values())
        protocol.extractor.load()
        splits = build(composed.data, "data").splits()
    except GanforgeError as error:
        yield Finding(what, "not run", str(error))
        return
    if not config.cifar10:
        yield Finding(what, "not run", "data and weights are here: add cifar10=true")
        return
    evaluation = Evaluation([protocol], splits, Path(composed.paths.cache).expanduser(), choose_device())
    score = evaluation(Stored(splits.train))[protocol.name]["inception_score"]
    is_right = abs(score - CIFAR10_SCORE) <= CIFAR10_TOLERANCE
    yield Finding(what, "yes" if is_right else "FAILED", f"measured {score:.4f} ({evaluation.tags[protocol.name]})")


PARTS: dict[str, Callable[[DictConfig], Iterator[Finding]]] = {
    "versions": _versions,
    "devices": _devices,
    "weights": _weights,
    "datasets": _datasets,
    "pictures that packages ship": _pictures_in_packages,
    "services": _services,
    "checks": _checks,
}
