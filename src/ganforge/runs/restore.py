"""Restore a finished or unfinished run from its folder, for evaluation, sampling and comparison."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from ganforge import __version__
from ganforge.core.build import build, check_run, nodes
from ganforge.core.containers import plain
from ganforge.core.errors import GanforgeError, first_line
from ganforge.core.yaml_files import read_yaml
from ganforge.data.columns import DATA, Column, Splits
from ganforge.runs.folder import RunFolder, checkpoint_to_resume
from ganforge.sampling.sampler import Sampler
from ganforge.sampling.seeded import Origin, SeededSampler

if TYPE_CHECKING:
    from torch import nn

    from ganforge.data.module import DataModule
    from ganforge.metrics.extractors.base import Extractor
    from ganforge.models.base import AdversarialModule

__all__ = ["Restored", "read_config", "restore", "settle"]


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
        changed_is_meant: whether data may be used that are not those that the run was trained on.
    """

    folder: RunFolder
    config: DictConfig
    module: "AdversarialModule"
    data: "DataModule"
    checkpoint: Path
    images_seen: int
    changed_is_meant: bool = True

    def splits(self) -> Splits:
        """Load the data that the run was trained on.

        Raises:
            GanforgeError: if they have changed since.
        """
        from ganforge.runs.data_record import check_data

        splits = self.data.splits()
        if not self.changed_is_meant:
            ways = "give them back, or take the present ones with data_changed=true."
            check_data(self.folder.status().get("data"), splits, self.folder.path, ways)
        return splits

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
            return self.splits().train.towards(sampler.target).data

        def features() -> "nn.Module":
            extractor: Extractor = build(protocols[0].extractor, "protocol")
            return extractor.load().module

        origin = Origin(
            str(self.folder.path),
            str(self.checkpoint),
            train,
            features if protocols else None,
            lambda: self._description(sampler),
            lambda: self.splits().heldout,
            {DATA: self.data.modality, **self.data.given},
        )
        return SeededSampler(sampler, origin, **options)

    def _description(self, sampler: Sampler) -> dict[str, object]:
        """Return the configuration of a sampler's network and of the latent, as plain values."""
        model = plain(self.config.model)
        networks = [node for name, node in model.items() if getattr(self.module, name, None) is sampler.network]
        return {"generator": next(iter(networks), None), "latent": model.get("latent"), "images_seen": self.images_seen}


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
    from ganforge.models.contents import networks_misfit, require

    folder = RunFolder(path)
    file, content = checkpoint_to_resume(folder, checkpoint, "checkpoint")
    saved = require(content, "sample", file)
    if command is not None:
        settle(config, command)
    module: AdversarialModule = build(config.model, "model")
    data: DataModule = build(config.data, "data")
    module.bind(data)
    misfit = networks_misfit(module, saved["state_dict"])
    if misfit is not None:
        raise GanforgeError(
            f"'{file}' does not hold the networks that '{path / 'config.yaml'}' describes ({misfit}): it is from "
            "another run or another version of ganforge."
        )
    module.load_state_dict({"_extra_state": module.get_extra_state(), **saved["state_dict"]})
    images_seen = saved["ganforge"]["images_seen"]
    module.images_seen = images_seen
    changed_is_meant = command is None or bool(command.get("data_changed"))
    return Restored(folder, config, module.eval().requires_grad_(False), data, file, images_seen, changed_is_meant)


def settle(config: DictConfig, command: DictConfig) -> None:
    """Let a command say where on this machine a run's data lie, and whether what is missing may be fetched.

    ``paths.data=null`` leaves the datasets' folder as the run had it, or where that is not here takes the machine's.

    Args:
        config: the run's, changed in place: ``download``, ``root``, ``path`` and ``cache`` of its data, ``download`` of
            its protocols' extractors.
        command: with ``download``, ``paths.data``, ``paths.cache`` and perhaps ``data.source.path``.

    Raises:
        GanforgeError: if a folder of images is named, and the run has none.
    """
    source = config.get("data", {}).get("source")
    images = OmegaConf.select(command, "data.source.path")
    if images is not None and "path" not in (source or {}):
        raise GanforgeError(
            f"data.source.path={images} names a folder of images, and the run's data are not one: paths.data=FOLDER "
            "says where datasets lie."
        )
    for one in [node for node in nodes(source) if isinstance(node, DictConfig)]:
        moved = {"download": command.download, "cache": command.paths.cache, "path": images}
        for key in [key for key in moved if key in one and moved[key] is not None]:
            one[key] = moved[key]
        if "root" in one:
            one.root = command.paths.data or _datasets(one.root)
    for node in nodes(config.get("protocol")):
        if isinstance(node, DictConfig) and "download" in node:
            node.download = command.download


def _datasets(root: str) -> str:
    """Return a run's folder of datasets, or where that is not here this machine's."""
    return root if Path(root).expanduser().exists() else os.environ.get("GANFORGE_DATA", root)


def read_config(folder: Path) -> DictConfig:
    """Return the composed configuration that a run's folder holds.

    Raises:
        GanforgeError: if there is none, it cannot be read, an interpolation in it may hide code, or it asks to build
            what :func:`~ganforge.core.build.check_run` refuses.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise GanforgeError(
            f"'{folder}' is no run's folder, it holds no config.yaml: give outputs/<name>/<signature>, or a checkpoint."
        )
    try:
        read = read_yaml(path)
    except (OSError, ValueError) as error:
        raise GanforgeError(
            f"'{path}' cannot be read ({first_line(error)}): repeat the run with force=true."
        ) from error
    if not isinstance(read, dict) or "model" not in read:
        raise GanforgeError(f"'{path}' is not the configuration of a run: it names no model.")
    if any("${" in node for node in nodes(read) if isinstance(node, str)):
        raise GanforgeError(
            f"'{path}' holds a '${{', which the configuration of a run never does, as it is written resolved: if the "
            "run is yours, repeat it with force=true; if it is not, build nothing that you have not read."
        )
    try:
        check_run(read, f"'{path}'")
    except GanforgeError as error:
        raise GanforgeError(f"{error}{_versions(folder)}") from error
    return OmegaConf.create(read)


def _versions(folder: Path) -> str:
    """Return a sentence on the versions, where another one than the present one wrote the run."""
    packages = RunFolder(folder).status().get("packages")
    wrote = packages.get("ganforge") if isinstance(packages, dict) else None
    return "" if wrote in (None, __version__) else f" (This is ganforge {__version__}, while {wrote} wrote the run.)"
