"""Restore a finished or unfinished run from its folder, for evaluation, sampling and comparison."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import nn

from ganforge import __version__
from ganforge.core.errors import GanforgeError, first_line
from ganforge.data.columns import Column
from ganforge.data.module import DataModule
from ganforge.metrics.extractors import Extractor
from ganforge.models.base import AdversarialModule
from ganforge.runs.folder import RunFolder, checkpoint_to_resume
from ganforge.sampling.seeded import Origin, SeededSampler

__all__ = ["Restored", "read_config", "restore", "settle"]

#: Whose classes a run's configuration may build. It comes from a file, perhaps somebody else's.
_KNOWN = ("ganforge.", "torch.optim.", "torch.nn.")


@dataclass(frozen=True)
class Restored:
    """A run's model with a checkpoint's weights.

    Attributes:
        folder: the run's folder.
        config: its composed configuration, as it was trained.
        module: the training module, on the CPU, in evaluation mode; ``module.samplers()`` draw from it.
        data: the data module that the run was trained on; nothing is read before its ``splits()``.
        checkpoint: the file that the weights are from.
        images_seen: how many real images it had been trained on.
    """

    folder: RunFolder
    config: DictConfig
    module: AdversarialModule
    data: DataModule
    checkpoint: Path
    images_seen: int

    def sampler(self, name: str | None = None, **options: Any) -> SeededSampler:
        """Return the sampler called ``name``, the procedure's main one for ``None``, to draw numbered samples from.

        Args:
            name: one of the procedure's samplers.
            **options: see :class:`~ganforge.sampling.seeded.SeededSampler`.

        Raises:
            GanforgeError: if there is no such sampler, or an option is impossible.
        """
        samplers = self.module.samplers()
        if name is not None and name not in samplers:
            raise GanforgeError(f"sampler={name} is not there: '{self.folder.path}' draws with {', '.join(samplers)}.")
        sampler = samplers[name or next(iter(samplers))]
        protocols = list((self.config.get("protocol") or {}).values())

        def train() -> Column:
            return self.data.splits().train.towards(sampler.target).data

        def features() -> nn.Module:
            extractor: Extractor = instantiate(protocols[0].extractor)
            return extractor.load().module

        origin = Origin(
            str(self.folder.path), str(self.checkpoint), train, features if protocols else None, self._description
        )
        return SeededSampler(sampler, origin, **options)

    def _description(self) -> dict[str, object]:
        """Return the generator's and the latent's configuration, as plain values."""
        model = OmegaConf.to_container(self.config.model, resolve=True)
        assert isinstance(model, dict)
        return {"generator": model.get("generator"), "latent": model.get("latent"), "images_seen": self.images_seen}


def restore(run: str | Path, checkpoint: str = "last", command: DictConfig | None = None) -> Restored:
    """Restore a run.

    Args:
        run: the run's folder, or one of its checkpoint files.
        checkpoint: ``last``, ``previous``, ``best``, or a file's path; not read where ``run`` is a file.
        command: says where on this machine the data lie; see :func:`settle`.

    Raises:
        GanforgeError: if there is no run, or its checkpoint is missing, damaged or not of its configuration.
    """
    path = Path(run).expanduser()
    if path.is_file():
        path, checkpoint = path.resolve().parent.parent, str(path.resolve())
    config = read_config(path)
    folder = RunFolder(path)
    file, content = checkpoint_to_resume(folder, checkpoint, "checkpoint")
    if command is not None:
        settle(config, command)
    module, data = instantiate(config.model), instantiate(config.data)
    module.bind(data)
    try:
        module.load_state_dict(content["state_dict"])
    except (RuntimeError, KeyError) as error:
        raise GanforgeError(
            f"'{file}' does not hold the networks that '{path / 'config.yaml'}' describes "
            f"({str(error).splitlines()[-1].strip()[:160]}): it is from another run or another version of ganforge."
        ) from error
    images_seen = int(content["ganforge"]["images_seen"])
    module.images_seen = images_seen
    return Restored(folder, config, module.eval().requires_grad_(False), data, file, images_seen)


def settle(config: DictConfig, command: DictConfig) -> None:
    """Let a command say where on this machine a run's data lie, and whether what is missing may be fetched.

    ``paths.data=null`` leaves the datasets' folder as the run had it, or where that is not here takes the machine's.

    Args:
        config: the run's, changed in place: ``download``, ``root`` and ``cache`` of its data, ``download`` of its
            protocols' extractors.
        command: with ``download``, ``paths.data`` and ``paths.cache``.
    """
    for node in [node for node in _nodes(config.get("data", {}).get("source")) if isinstance(node, DictConfig)]:
        if "download" in node:
            node.download = command.download
        if "cache" in node:
            node.cache = command.paths.cache
        if "root" in node and command.paths.data is not None:
            node.root = command.paths.data
        elif "root" in node and not Path(node.root).expanduser().exists():
            node.root = os.environ.get("GANFORGE_DATA", node.root)
    for protocol in (config.get("protocol") or {}).values():
        if isinstance(protocol, DictConfig) and "download" in (protocol.get("extractor") or {}):
            protocol.extractor.download = command.download


def read_config(folder: Path) -> DictConfig:
    """Return the composed configuration that a run's folder holds.

    Raises:
        GanforgeError: if there is none, it cannot be read, an interpolation in it may hide code, or it names code that
            is not ganforge's or torch's.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise GanforgeError(
            f"'{folder}' is no run's folder, it holds no config.yaml: give outputs/<name>/<signature>, or a checkpoint."
        )
    try:
        config = OmegaConf.load(path)
    except Exception as error:
        raise GanforgeError(
            f"'{path}' cannot be read ({first_line(error)}): repeat the run with force=true."
        ) from error
    if not isinstance(config, DictConfig) or "model" not in config:
        raise GanforgeError(f"'{path}' is not the configuration of a run: it names no model.")
    plain = OmegaConf.to_container(config, resolve=False)
    nodes = list(_nodes(plain))
    if any("${" in node for node in nodes if isinstance(node, str)):
        raise GanforgeError(
            f"'{path}' holds a '${{', which the configuration of a run never does, as it is written resolved: if the "
            "run is yours, repeat it with force=true; if it is not, build nothing that you have not read."
        )
    for target in (str(node["_target_"]) for node in nodes if isinstance(node, dict) and "_target_" in node):
        if not _is_known_class(target):
            raise GanforgeError(
                f"'{path}' asks to build '{target}', which is no class of torch or of ganforge{_versions(folder)}: if "
                "the run is yours, repeat it with force=true; if it is not, build nothing that you have not read."
            )
    return OmegaConf.create(cast("dict[str, object]", plain))


def _versions(folder: Path) -> str:
    """Return the present version and, where another one wrote the run, that one."""
    packages = RunFolder(folder).status().get("packages")
    wrote = packages.get("ganforge") if isinstance(packages, dict) else None
    return f" {__version__}" if wrote in (None, __version__) else f" {__version__}, while {wrote} wrote the run"


def _is_known_class(target: str) -> bool:
    """Whether ``target`` is a class that ganforge or torch defines, not merely one that their modules import."""
    from hydra.utils import get_object

    if not target.startswith(_KNOWN):
        return False
    try:
        found = get_object(target)
    except Exception:
        return False
    return isinstance(found, type) and f"{found.__module__}.".startswith(_KNOWN)


def _nodes(node: Any) -> Iterator[Any]:
    """Yield ``node`` and everything below it, keys included."""
    yield node
    is_mapping = isinstance(node, dict | DictConfig)
    if is_mapping:
        yield from node
    for value in node.values() if is_mapping else node if isinstance(node, list | ListConfig) else ():
        yield from _nodes(value)
