"""Score a run, a checkpoint, or the images of a folder, a zip archive or an npz file."""

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from ganforge.core.build import build
from ganforge.core.checks import check_nodes
from ganforge.core.console import log_to, say, warnings_reported
from ganforge.core.devices import choose_device
from ganforge.core.errors import GanforgeError
from ganforge.core.launch import environment_rank, inside_a_launched_process, launch
from ganforge.core.tables import text_table
from ganforge.core.yaml_files import read_yaml
from ganforge.runs.lifecycle import processes_wanted

if TYPE_CHECKING:
    import torch

    from ganforge.metrics.evaluation import Evaluation

__all__ = ["Result", "evaluate", "table"]

Intervals = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Result:
    """One protocol's values.

    Attributes:
        tag: the protocol's name and hash.
        description: the protocol as plain values.
        values: means over the sets of samples, by name.
        intervals: 95 % intervals: over the sets of samples, or where there is one, bootstrapped for FID and KID.
    """

    tag: str
    description: dict[str, object]
    values: dict[str, float]
    intervals: Intervals


def evaluate(config: DictConfig) -> None:
    """Measure, print the values side by side and write the report.

    Raises:
        GanforgeError: for everything that the user can put right.
    """
    _check(config)
    with log_to(None):
        check_nodes(config)
        processes = 1 if inside_a_launched_process() else processes_wanted(config)
        if processes == 1:
            _evaluate_here(config)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "evaluate.yaml"
            path.write_text(OmegaConf.to_yaml(config, resolve=True))
            launch(
                path, processes, "ganforge.commands.evaluate", "Real images' statistics are kept: repeat the command."
            )


def _check(config: DictConfig) -> None:
    """Refuse what cannot be done before anything is read."""
    if config.bootstrap == 1:
        raise GanforgeError(f"bootstrap must be 0 for no intervals, or at least 2 resamples, got {config.bootstrap}.")
    if (config.run is None) == (config.images is None):
        raise GanforgeError(
            "Say what to evaluate: run=outputs/<name>/<signature>, run=<a checkpoint's file>, or images=<a folder, "
            "a .zip or .npz file>; one of them."
        )
    if config.images is not None and config.repeats > 1:
        raise GanforgeError(
            f"repeats={config.repeats} draws another set of a run's images each time, and images=... are the same "
            "ones: leave repeats out; bootstrap gives intervals."
        )
    if config.output is not None and (output := Path(config.output).expanduser()).exists() and not output.is_dir():
        raise GanforgeError(f"output='{output}' is a file, and an evaluation writes a folder: choose another name.")


def _evaluate_here(config: DictConfig) -> None:
    """Measure in this process, alone or as one of several."""
    from ganforge.commands.subjects import pictures, subject
    from ganforge.metrics.comparison import Comparison
    from ganforge.metrics.evaluation import Evaluation
    from ganforge.metrics.inputs import FewSamplesWarning
    from ganforge.metrics.intervals import bootstrap
    from ganforge.reports.evaluation import write
    from ganforge.reports.panels import Panel, neighbourhood_sweep

    device = _device(config)
    evaluated = subject(config, device)
    chosen = config.protocol or evaluated.protocols
    if not chosen:
        raise GanforgeError(
            "No protocol is chosen, and the run has none of its own: add protocol=digits or another one."
        )
    # Validated and loaded before anything is generated.
    protocols = [build(protocol, "protocol", _convert_="all") for protocol in chosen.values()]
    targets = [source.target for source in evaluated.sources.values()]
    evaluation = Evaluation(protocols, evaluated.data, Path(config.paths.cache).expanduser(), device, targets)
    train, heldout = len(evaluated.data.train), len(evaluated.data.heldout)
    say(f"{evaluated.title} against {train:,} training and {heldout:,} held-out samples")
    panels: dict[str, Panel] = {}
    intervals: dict[str, Intervals] = {protocol.name: {} for protocol in protocols}

    def on_comparison(name: str, prefix: str, comparison: Comparison) -> None:
        if not panels and environment_rank() == 0 and (panel := neighbourhood_sweep(comparison)):
            panels[panel.title] = panel
        if config.bootstrap and config.repeats == 1:
            found = bootstrap(evaluation.protocols[name], comparison, config.bootstrap)
            intervals[name] |= {f"{prefix}{value}": interval for value, interval in found.items()}

    with warnings_reported(FewSamplesWarning, set()):
        sets = [evaluation.over(evaluated.sources, repeat, on_comparison) for repeat in range(config.repeats)]
    results = {
        name: _summary(evaluation, name, [values[name] for values in sets], intervals[name])
        for name in evaluation.protocols
    }
    for line in table(results):
        say(line)
    if environment_rank() == 0:
        for path in write(
            evaluated.title,
            results,
            evaluated.real,
            lambda: [*pictures(evaluated, protocols[0].sampling), *panels.values()],
            evaluated.output,
        ):
            say(f"  {path}")


def _device(config: DictConfig) -> "torch.device":
    """Return this process's device, and join the process group where there is one."""
    import torch

    device = choose_device(config.trainer.accelerator)
    if inside_a_launched_process():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device


def _summary(evaluation: "Evaluation", name: str, sets: list[dict[str, float]], intervals: Intervals) -> Result:
    """Average one protocol's values over the sets of samples; several give the intervals themselves."""
    from ganforge.metrics.intervals import repeats_interval

    description = evaluation.describe(name)
    values = {value: statistics.fmean(one[value] for one in sets) for value in sets[0]}
    if len(sets) > 1:
        for value in values:
            interval = repeats_interval([one[value] for one in sets])
            intervals[value] = (interval.low, interval.high)
    return Result(evaluation.tags[name], {**description, "repeats": len(sets)}, values, intervals)


def table(results: dict[str, Result]) -> list[str]:
    """Return the values side by side: a row a value, a column a protocol."""
    names = list(dict.fromkeys(value for result in results.values() for value in result.values))
    header = ["", *(result.tag for result in results.values())]
    return text_table([header, *([name, *(_cell(result, name) for result in results.values())] for name in names)])


def _cell(result: Result, name: str) -> str:
    if name not in result.values:
        return "-"
    low_high = result.intervals.get(name)
    interval = "" if low_high is None else f" [{low_high[0]:.4g}, {low_high[1]:.4g}]"
    return f"{result.values[name]:.5g}{interval}"


def _main() -> int:
    """Evaluate the configuration file named on the command line: one of several processes."""
    from ganforge.core.messages import print_error

    config = OmegaConf.create(read_yaml(Path(sys.argv[1])))
    try:
        with log_to(None):
            _evaluate_here(config)
    except Exception as error:
        if config.trace:
            raise
        return print_error(error)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
