"""Score a run, a checkpoint, a folder of images or an npz file."""

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ganforge.console import log_to, say
from ganforge.errors import GanforgeError
from ganforge.launch import environment_rank, inside_a_launched_process, launch
from ganforge.lifecycle import processes_wanted

__all__ = ["Result", "Subject", "evaluate", "subject"]


@dataclass(frozen=True)
class Subject:
    """What is judged, and against what.

    Attributes:
        title: how reports call it.
        source: gives the images.
        data: both splits of the real images.
        protocols: the run's own, for when none is chosen.
        output: where the report goes.
        run: the restored run; ``None`` for images.
    """

    title: str
    source: Any
    data: Any
    protocols: DictConfig | None
    output: Path
    run: Any = None


@dataclass(frozen=True)
class Result:
    """One protocol's values.

    Attributes:
        tag: the protocol's name and hash.
        description: the protocol as plain values.
        values: means over the sets of samples, by name.
        intervals: 95 % intervals of the means; only with several sets.
    """

    tag: str
    description: dict[str, Any]
    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def evaluate(config: DictConfig) -> None:
    """Measure, print the values side by side and write the report.

    Raises:
        GanforgeError: for everything that the user can put right.
    """
    with log_to(None):
        processes = 1 if inside_a_launched_process() else processes_wanted(_with_nodes(config))
        if processes == 1:
            _evaluate_here(config)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "evaluate.yaml"
            path.write_text(OmegaConf.to_yaml(config, resolve=True))
            launch(path, processes, "ganforge.evaluate", "Real images' statistics are kept: repeat the command.")


def _with_nodes(config: DictConfig) -> DictConfig:
    if config.repeats < 1:
        raise GanforgeError(f"repeats must be a whole number >= 1, got {config.repeats}.")
    if (config.run is None) == (config.images is None):
        raise GanforgeError(
            "Say what to evaluate: run=outputs/<name>/<signature>, run=<a checkpoint's file>, or images=<a folder or "
            ".npz file>; one of them."
        )
    return config


def _evaluate_here(config: DictConfig) -> None:
    """Measure in this process, alone or as one of several."""
    import torch
    from hydra.utils import instantiate

    from ganforge.metrics.evaluation import Evaluation
    from ganforge.reports.evaluation import write

    device = _device(config)
    judged = subject(config, device)
    chosen = config.protocol or judged.protocols
    if not chosen:
        raise GanforgeError(
            "No protocol is chosen, and the run has none of its own: add protocol=digits or another one."
        )
    # Validated and loaded before anything is generated.
    protocols = [instantiate(protocol, _convert_="all") for protocol in chosen.values()]
    with torch.inference_mode(False):
        evaluation = Evaluation(protocols, judged.data, Path(config.paths.cache).expanduser(), device)
    say(f"{judged.title} against {len(judged.data.train):,} training and {len(judged.data.heldout):,} held-out images")
    sets = [evaluation(judged.source, repeat) for repeat in range(config.repeats)]
    results = {name: _summary(evaluation, name, [values[name] for values in sets]) for name in evaluation.protocols}
    for line in table(results):
        say(line)
    if environment_rank() == 0:
        for path in write(judged, results, evaluation, judged.output):
            say(f"  {path}")


def _device(config: DictConfig) -> Any:
    """Return this process's device, and join the process group where there is one."""
    import os

    import torch

    accelerator = config.trainer.accelerator
    cuda = torch.cuda.is_available() and accelerator in ("auto", "cuda", "gpu")
    if inside_a_launched_process():
        torch.distributed.init_process_group("nccl" if cuda else "gloo")
    if cuda:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))))
        torch.cuda.set_device(device)
        return device
    on_mps = torch.backends.mps.is_available() and accelerator in ("auto", "mps")
    return torch.device("mps" if on_mps else "cpu")


def subject(config: DictConfig, device: Any) -> Subject:
    """Bring back the run, or read the images, and what they are compared with."""
    from ganforge.data.arrays import Splits
    from ganforge.data.given import read_images
    from ganforge.metrics.sources import Generated, Stored
    from ganforge.restore import restore

    cache = Path(config.paths.cache).expanduser()
    if config.images is not None:
        path = Path(config.images).expanduser()
        array = read_images(path, cache, config.image_size)
        if config.real is None:
            raise GanforgeError(
                "Say what to compare the images with: real=<a folder, an .npz file, or a dataset's name>."
            )
        output = Path(config.output or path.with_name(f"{path.stem}_evaluation"))
        data = _real(config, cache, array.images.shape[-1])
        return Subject(f"{len(array):,} images of {path}", Stored(array), data, None, output)
    run = restore(config.run, config.checkpoint)
    if not hasattr(run.module, "latent") or run.config.data.get("image_size") is None:
        raise GanforgeError(f"'{run.folder.path}' does not generate images from noise: its metrics are in metrics.csv.")
    output = Path(config.output or run.folder.path / "evaluations" / f"{run.checkpoint.stem}_{run.images_seen}")
    real: Splits = run.data().splits() if config.real is None else _real(config, cache, run.config.data.image_size)
    title = f"{run.config.name}, {run.checkpoint.name} at {run.images_seen:,} images"
    run.module.to(device)
    return Subject(title, Generated(run.module, device), real, run.config.get("protocol"), output, run)


def _real(config: DictConfig, cache: Path, image_size: int) -> Any:
    """Read what ``real=`` names; a folder or file is both splits at once."""
    from hydra.utils import instantiate

    from ganforge.config import compose, config_folder
    from ganforge.data.arrays import Splits
    from ganforge.data.given import read_images

    path = Path(config.real).expanduser()
    if path.exists():
        array = read_images(path, cache, config.image_size)
        return Splits(array, array)
    names = sorted(file.stem for file in (config_folder() / "data").glob("*.yaml"))
    if config.real not in names:
        raise GanforgeError(f"real='{config.real}' is neither a file nor a dataset; datasets are {', '.join(names)}.")
    overrides = [f"data={config.real}", f"data.image_size={image_size}", f"paths.data={config.paths.data}"]
    overrides += [f"paths.cache={config.paths.cache}", f"download={str(config.download).lower()}"]
    return instantiate(compose(overrides).data).splits()


def _summary(evaluation: Any, name: str, sets: list[dict[str, float]]) -> Result:
    """Average one protocol's values over the sets of samples."""
    from ganforge.metrics.intervals import repeats_interval

    protocol = evaluation.protocols[name]
    description = protocol.describe(evaluation.tags[name])
    values = {value: statistics.fmean(one[value] for one in sets) for value in sets[0]}
    intervals = {}
    if len(sets) > 1:
        for value in values:
            interval = repeats_interval([one[value] for one in sets])
            intervals[value] = (interval.low, interval.high)
    return Result(evaluation.tags[name], {**description, "repeats": len(sets)}, values, intervals)


def table(results: dict[str, Result]) -> list[str]:
    """Return the values side by side: a row a value, a column a protocol."""
    names = list(dict.fromkeys(value for result in results.values() for value in result.values))
    columns = [["", *names]]
    for result in results.values():
        cells = [_cell(result, name) for name in names]
        columns.append([result.tag, *cells])
    widths = [max(len(cell) for cell in column) for column in columns]
    rows = zip(*columns, strict=True)
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(result: Result, name: str) -> str:
    if name not in result.values:
        return "-"
    low_high = result.intervals.get(name)
    interval = "" if low_high is None else f" [{low_high[0]:.4g}, {low_high[1]:.4g}]"
    return f"{result.values[name]:.5g}{interval}"


def _main() -> int:
    """Evaluate the configuration file named on the command line: one of several processes."""
    from ganforge.complaints import explain, find_cause

    config = OmegaConf.load(sys.argv[1])
    assert isinstance(config, DictConfig)
    try:
        with log_to(None):
            _evaluate_here(config)
    except Exception as error:
        if config.trace:
            raise
        number = environment_rank()
        speaker = f"ganforge (process {number})" if number else "ganforge"
        print(f"{speaker}: {find_cause(error) or explain(error, [])}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
