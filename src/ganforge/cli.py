"""The ``ganforge`` command. Imports nothing heavy before a command has a valid configuration."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ganforge import __version__
from ganforge.errors import Stopped

__all__ = ["main"]

Task = Callable[[Any], dict[str, float]]

_HELP = f"""ganforge {__version__}: experiments with generative adversarial networks

  ganforge download data=NAME         fetch a dataset and the metrics' weights, for machines without internet
  ganforge train [key=value ...]      train; without arguments a DCGAN on embedded digits, about three minutes on a
  laptop

examples
  ganforge train model=lsgan data=cifar10 download=true
  ganforge train -m model=dcgan,lsgan seed=1,2,3      # one run after another
  ganforge train resume=true ...                      # the same command goes on where it was stopped

more
  ganforge train --help               groups, options and their defaults
  ganforge train --cfg job            the whole composed configuration
  ganforge train --config-dir FOLDER  add your own folder of configs
  eval "$(ganforge -sc install=bash)" tab completion (bash, zsh, fish)
  ganforge --version
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["-sc"]:
        return _complete(arguments)
    command, *rest = arguments or ["--help"]
    if command in ("-h", "--help", "help"):
        print(_HELP)
        return 0
    if command == "--version":
        print(__version__)
        return 0
    if command == "download":
        return _run([*rest, "download=true", "hydra.run.dir=."], _download)
    if command == "train":
        return _run(rest, _train)
    print(
        f"ganforge: there is no command '{command}'; there are: train, download. See ganforge --help.", file=sys.stderr
    )
    return 2


def _run(overrides: list[str], task: Task) -> int:
    """Compose, then do the task; every failure is one sentence unless ``debug=true``."""
    # Hydra's grammar reads a bare true as a boolean, and a group's option must be a word.
    overrides = ["debug=trace" if override == "debug=true" else override for override in overrides]
    trace = "debug=trace" in overrides or bool(os.environ.get("HYDRA_FULL_ERROR"))
    try:
        _hydra(overrides, task)
    except Stopped as stop:
        print(stop, file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt:
        print("ganforge: interrupted; what the last checkpoint holds is kept.", file=sys.stderr)
        return 130
    except Exception as error:
        if trace:
            raise
        print(f"ganforge: {_sentence(error, overrides)}", file=sys.stderr)
        return 1
    return 0


def _sentence(error: Exception, overrides: list[str]) -> str:
    from ganforge.complaints import explain, find_cause

    cause = find_cause(error)
    return str(cause) if cause is not None else explain(error, overrides)


def _hydra(overrides: list[str], do: Task) -> None:
    """Let Hydra parse, compose and launch; its own error printing is switched off, ours is better."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from ganforge.config import config_folder, register_resolvers

    register_resolvers()
    failure: list[Exception] = []

    def task(config: Any) -> dict[str, float]:
        sys.argv = original
        try:
            return do(config)
        except Exception as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise
            failure.append(error)  # raised below: Hydra would print a line of its own first
            return {}

    original = sys.argv
    sys.argv = [original[0], *overrides]
    previous = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")(task)()
    finally:
        sys.argv = original
        if previous is None:
            del os.environ["HYDRA_FULL_ERROR"]
    if failure:
        raise failure[0]


def _train(config: Any) -> dict[str, float]:
    """Train one composed configuration."""
    from hydra.core.hydra_config import HydraConfig

    from ganforge.complaints import check_values

    check_values(config, HydraConfig.get().overrides.task)
    from ganforge.train import train

    return train(config)


def _download(config: Any) -> dict[str, float]:
    """Fetch what a training run of this configuration would need from the network, and do nothing else."""
    from hydra.utils import instantiate

    splits = instantiate(config.data).splits()
    print(f"data: {len(splits.train):,} training and {len(splits.heldout):,} held-out images in '{config.paths.data}'")
    if config.metrics is not None:
        loaded = instantiate(config.metrics.protocol).extractor.load()
        print(f"metrics: {config.metrics.protocol.name}, weights {loaded.weights}")
    return {}


def _complete(arguments: list[str]) -> int:
    """Answer the shell's completion: Hydra completes the words after ``train``."""
    line = os.environ.get("COMP_LINE", "")
    commands = ("train", "download")
    words = line.split()
    chosen = words[1] if len(words) > 1 else ""
    if arguments[1].startswith("query") and chosen not in commands:
        print(*commands)
        return 0
    os.environ["COMP_LINE"] = line.replace(f" {chosen} ", " ", 1)
    _hydra(arguments, _train)
    return 0


if __name__ == "__main__":
    sys.exit(main())
