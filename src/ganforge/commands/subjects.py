"""What an evaluation is about: a run restored, or images read, beside the real ones."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from ganforge.core.errors import GanforgeError
from ganforge.core.files import shown

if TYPE_CHECKING:
    import torch

    from ganforge.data.columns import Split, Splits
    from ganforge.data.images import ImageSize
    from ganforge.data.module import DataModule
    from ganforge.metrics.protocol import Sampling
    from ganforge.metrics.sources import Source
    from ganforge.reports.evaluation import Real, RealImages
    from ganforge.reports.panels import Panel
    from ganforge.runs.restore import Restored

__all__ = ["Subject", "pictures", "subject"]


@dataclass(frozen=True)
class Subject:
    """What is evaluated, and against what.

    Attributes:
        title: how reports call it.
        sources: give the samples, by the procedure's names; one for images.
        data: both splits of the real images.
        protocols: the run's own, for when none is chosen.
        real: what it is compared with, in plain values: ``name``, and of ``train`` and ``heldout`` the number of
            ``images`` and their ``fingerprint``.
        output: where the report goes.
        run: the restored run; ``None`` for images.
    """

    title: str
    sources: Mapping[str, "Source"]
    data: "Splits"
    protocols: DictConfig | None
    real: "Real"
    output: Path
    run: "Restored | None" = None


def subject(config: DictConfig, device: "torch.device") -> Subject:
    """Restore the run, or read the images, and what they are compared with."""
    from ganforge.data.given import read_images
    from ganforge.metrics.sources import Generated, Stored
    from ganforge.runs.restore import restore

    cache = Path(config.paths.cache).expanduser()
    if config.images is not None:
        path = Path(config.images).expanduser()
        array = read_images(path, cache, config.image_size)
        if config.real is None:
            raise GanforgeError(
                "Say what to compare the images with: real=<a folder, a .zip or .npz file, or a dataset's name>."
            )
        data = _real(config, cache, list(array.data.values.shape[2:]))
        reference = _identity(config.real, data)
        output = _output(config, path.parent, f"{path.stem}_evaluation", reference)
        return Subject(
            f"{len(array):,} images of {shown(path)}", {"images": Stored(array)}, data, None, reference, output
        )
    run = restore(config.run, config.checkpoint, config)
    real = run.splits() if config.real is None else _real(config, cache, run.config.data.get("image_size"))
    title = f"{run.config.name}, {run.checkpoint.name} at {run.images_seen:,} images"
    run.module.to(device)
    reference = _identity(config.real or "the run's own data", real)
    output = _output(config, run.folder.path / "evaluations", f"{run.checkpoint.stem}_{run.images_seen}", reference)
    sources: dict[str, Source] = {
        name: Generated(sampler, real.heldout) for name, sampler in run.module.samplers().items()
    }
    return Subject(title, sources, real, run.config.get("protocol"), reference, output, run)


def _output(config: DictConfig, parent: Path, name: str, real: "Real") -> Path:
    """Return the folder asked for, or one that is named by what is evaluated and what it is compared with.

    Raises:
        GanforgeError: if that one holds an evaluation against other real images.
    """
    from ganforge.reports.evaluation import check_place

    if config.output is not None:
        return Path(config.output).expanduser()
    against = "" if config.real is None else "_" + re.sub(r"[^\w-]+", "_", Path(config.real).expanduser().stem)
    check_place(parent / f"{name}{against}", real)
    return parent / f"{name}{against}"


def _identity(name: str, data: "Splits") -> "Real":
    """Return what identifies the real images."""
    return {"name": shown(str(name)), "train": _images(data.train), "heldout": _images(data.heldout)}


def _images(split: "Split") -> "RealImages":
    return {"images": len(split), "fingerprint": split.data.fingerprint}


def _real(config: DictConfig, cache: Path, image_size: "ImageSize | None") -> "Splits":
    """Read what ``real=`` names; a folder or file is both splits at once."""
    from ganforge.core.build import build
    from ganforge.core.config import compose, config_folder, quoted
    from ganforge.data.columns import Splits
    from ganforge.data.given import read_images

    path = Path(config.real).expanduser()
    if path.exists():
        array = read_images(path, cache, config.image_size)
        return Splits(array, array)
    names = sorted(file.stem for file in (config_folder() / "data").glob("*.yaml"))
    if config.real not in names:
        raise GanforgeError(
            f"real='{shown(config.real)}' is neither a file nor a dataset; datasets are {', '.join(names)}."
        )
    overrides = [f"data={config.real}", f"data.image_size={image_size}", f"download={str(config.download).lower()}"]
    overrides += [] if config.paths.data is None else [f"paths.data={quoted(config.paths.data)}"]
    overrides += [f"paths.cache={quoted(config.paths.cache)}"]
    data: DataModule = build(compose(overrides).data, "data")
    return data.splits()


def pictures(evaluated: Subject, sampling: "Sampling") -> "list[Panel]":
    """Show samples of every source and their nearest training samples; of a run also walks between latents."""
    from ganforge.reports.panels import nearest_panel, sample_panels, walk_panels

    panels: list[Panel] = []
    for name, source in evaluated.sources.items():
        column = evaluated.data.train.towards(source.target).data
        with source.session(sampling):
            drawn = source.batch(0, sampling)
        found = [*sample_panels(drawn, column.modality), *nearest_panel(drawn.samples, column)]
        if evaluated.run is not None:
            device = str(evaluated.run.module.samplers()[name].device)
            found += walk_panels(evaluated.run.sampler(name, ema=sampling.weights == "ema", device=device))
        panels += found if len(evaluated.sources) == 1 else [panel.of(name) for panel in found]
    return panels
