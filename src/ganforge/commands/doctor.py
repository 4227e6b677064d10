"""What works on this machine: devices, weights, datasets, logins, launchers."""

import argparse
import importlib.util
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ganforge import __version__
from ganforge.core.config import compose
from ganforge.core.console import log_to, say
from ganforge.core.devices import choose_device
from ganforge.core.errors import GanforgeError
from ganforge.core.extras import install

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


def doctor(words: Sequence[str]) -> int:
    """Print what is here; with ``--cifar10`` also score CIFAR-10's training images, where they and the weights are.

    Returns:
        0, also where things are absent: nothing but torch is needed for everything; 1 if a check that ran failed.
    """
    parser = argparse.ArgumentParser(prog="ganforge doctor", description="Say what works on this machine.")
    parser.add_argument(
        "--cifar10", action="store_true", help="check IS(CIFAR-10 train) = 11.237 +- 0.1: hours on a CPU"
    )
    arguments = parser.parse_args(words)
    failed = False
    with log_to(None):
        for title, check in PARTS.items():
            say(f"{title}")
            for finding in check():
                failed |= finding.state == "FAILED"
                say(f"  {finding.state:<8} {finding.what:<34} {finding.detail}")
        say("checks")
        finding = _cifar10(arguments.cifar10)
        say(f"  {finding.state:<8} {finding.what:<34} {finding.detail}")
    return int(failed or finding.state == "FAILED")


def _versions() -> Iterator[Finding]:
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


def _devices() -> Iterator[Finding]:
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


def _weights() -> Iterator[Finding]:
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


def _datasets() -> Iterator[Finding]:
    from ganforge.core.build import build

    for name in (
        "mnist5k",
        "digits",
        "mnist",
        "fashion_mnist",
        "kmnist",
        "cifar10",
        "cifar100",
        "svhn",
        "stl10",
        "celeba",
        "facades",
        "maps",
        "cityscapes",
        "horse2zebra",
    ):

        def count(name: str = name) -> str:
            splits = build(compose([f"data={name}"]).data, "data").splits()
            return f"{len(splits.train):,} training and {len(splits.heldout):,} held-out images"

        yield _available(f"data={name}", count)


def _pictures_in_packages() -> Iterator[Finding]:
    """Say which packages with pictures are here, who made these, and under which licence."""
    from ganforge.data.attribution import ATTRIBUTIONS

    for name, (package, extra, works) in ATTRIBUTIONS.items():
        try:
            yield Finding(f"data={name}", "yes", f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            yield Finding(f"data={name}", "no", f"{package}: {install(extra) if extra else f'pip install {package}'}")
        for work in works:
            yield Finding("", "", work)


def _services() -> Iterator[Finding]:
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
    except GanforgeError as error:
        return Finding(what, "no", str(error))


def _cifar10(wanted: bool) -> Finding:
    """Score real images: a wrong resize, order or weight shows here."""
    from ganforge.core.build import build

    what = f"IS(CIFAR-10 train) = {CIFAR10_SCORE} +- {CIFAR10_TOLERANCE}"
    from ganforge.metrics.evaluation import Evaluation
    from ganforge.metrics.sources import Stored

    try:
        config = compose(["data=cifar10", "protocol=is50k_10splits"])
        (protocol,) = (build(entry, "protocol") for entry in config.protocol.values())
        protocol.extractor.load()
        splits = build(config.data, "data").splits()
    except GanforgeError as error:
        return Finding(what, "not run", str(error))
    if not wanted:
        return Finding(what, "not run", "data and weights are here: add --cifar10")
    evaluation = Evaluation([protocol], splits, Path(config.paths.cache).expanduser(), choose_device())
    score = evaluation(Stored(splits.train))[protocol.name]["inception_score"]
    is_right = abs(score - CIFAR10_SCORE) <= CIFAR10_TOLERANCE
    return Finding(what, "yes" if is_right else "FAILED", f"measured {score:.4f} ({evaluation.tags[protocol.name]})")


PARTS: dict[str, Callable[[], Iterator[Finding]]] = {
    "versions": _versions,
    "devices": _devices,
    "weights": _weights,
    "datasets": _datasets,
    "pictures that packages ship": _pictures_in_packages,
    "services": _services,
}
