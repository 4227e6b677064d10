"""The ``ganforge`` command. Imports nothing heavy before a command has a valid configuration."""

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from ganforge import __version__
from ganforge.core.errors import GanforgeError, Stopped
from ganforge.core.streams import console_optional, discard, prepare_streams

__all__ = ["main"]

_HELP = f"""ganforge {__version__}: experiments with generative adversarial networks

  ganforge train [key=value ...]      train; without arguments a DCGAN on embedded digits, minutes on a laptop
  ganforge evaluate FOLDER            score a run, a folder of images or an .npz file, under one protocol or several
  ganforge sample FOLDER mode=...     grids, interpolations, truncations, traversals, nearest training images, many
                                      images as files, and the generator itself as safetensors, ONNX or torch.export
  ganforge compare FOLDER [...]       runs beside each other: tables with intervals and tests, curves, samples, one page
  ganforge tune [key=value ...]       search for the values that train best; workers join and leave as they like
  ganforge download data=NAME         fetch a dataset and the metrics' weights, for machines without internet
  ganforge doctor                     what works on this machine: devices, weights, datasets, logins

examples
  ganforge train model=lsgan data=cifar10 download=true
  ganforge train -m model=dcgan,lsgan seed=1,2,3      # one run after another
  ganforge compare outputs            # which variant is better, and whether significantly
  ganforge train resume=true ...                      # the same command goes on where it was stopped
  ganforge tune model=wgan_gp data=mnist5k tune=tpe tune.n_trials=40 tune.workers=2
  ganforge evaluate outputs/dcgan_mnist5k/0123456789 protocol=[digits,offline]
  ganforge sample outputs/dcgan_mnist5k/0123456789 mode=interpolate mode.format=gif

more
  ganforge train --help               groups, options and their defaults
  ganforge train --cfg job            the whole composed configuration
  ganforge train --config-dir FOLDER  add your own folder of configs
  eval "$(ganforge -sc install=bash)" tab completion (bash, zsh, fish)
  ganforge --version
"""


_DOWNLOADS = "ganforge download: fetch a dataset and the weights its protocols measure with. Example: data=cifar10"


@dataclass(frozen=True)
class Command:
    """A word after ``ganforge``.

    Attributes:
        task: ``module:function``, imported once the configuration is valid.
        config: the configuration that Hydra composes for it.
        overrides: added to the user's.
        positional: the key that bare words fill, as in ``ganforge evaluate outputs/...``; empty: there are none.
        several: whether the key takes a list of them.
        console_optional: whether the command goes on when nobody reads what it prints; others end then, as programs do.
    """

    task: str
    config: str = "train"
    overrides: tuple[str, ...] = ()
    positional: str = ""
    several: bool = False
    console_optional: bool = False


COMMANDS = {
    "train": Command("ganforge.commands.train:train", console_optional=True),
    "evaluate": Command("ganforge.commands.evaluate:evaluate", config="evaluate", positional="run"),
    "compare": Command("ganforge.commands.compare:compare", config="compare", positional="folders", several=True),
    "sample": Command("ganforge.commands.sample:sample", config="sample", positional="run"),
    "tune": Command("ganforge.commands.tune:tune", config="tune", console_optional=True),
    "download": Command(
        "ganforge.commands.download:download",
        overrides=("download=true", f"hydra.help.header='{_DOWNLOADS}'", "hydra.help.footer=''"),
    ),
    "doctor": Command("ganforge.commands.doctor:doctor", config="doctor"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    prepare_streams()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0] in COMMANDS and COMMANDS[arguments[0]].console_optional:
        with console_optional():
            return _dispatch(arguments)
    try:
        return _flushed(_dispatch(arguments))
    except BrokenPipeError:  # what reads the output has read enough, as `| head` does
        discard(sys.stdout)
        discard(sys.stderr)
        return 128 + signal.SIGPIPE


def _flushed(status: int) -> int:
    """Write out what standard output still holds; return the exit status, that of a failure where it cannot be written.

    Raises:
        BrokenPipeError: if nobody reads it.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        if status == 0:  # else the failure has been reported
            print(f"ganforge: Standard output cannot be written to: {error.strerror}.", file=sys.stderr)
        return status or 1
    return status


def _dispatch(arguments: list[str]) -> int:
    """Do what the first word asks for."""
    if arguments[:1] == ["-sc"]:
        return _complete(arguments)
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help", "help"):
        print(_HELP)
        return 0
    if name == "--version":
        print(__version__)
        return 0
    if name not in COMMANDS:
        names = ", ".join(COMMANDS)
        print(f"ganforge: there is no command '{name}'; there are: {names}. See ganforge --help.", file=sys.stderr)
        return 2
    return _run(name, rest)


def _run(name: str, words: list[str]) -> int:
    """Compose, then do the task; every failure is one sentence unless ``debug=true``."""
    # Hydra's grammar reads a bare true as a boolean, and a group's option must be a word.
    command = COMMANDS[name]
    words = ["debug=trace" if word == "debug=true" else word for word in [*words, *command.overrides]]
    trace = "debug=trace" in words or bool(os.environ.get("HYDRA_FULL_ERROR"))
    try:
        words = _ready(name, words)
        _hydra(name, words)
    except Stopped as stop:
        print(stop, file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt:
        print("ganforge: interrupted; what was written before, such as the last checkpoint, is whole.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        if trace:
            raise
        from ganforge.core.messages import print_error

        return print_error(error, words, command.config)
    return 0


def _ready(name: str, words: list[str]) -> list[str]:
    """Return what was typed as Hydra takes it: options first, bare words under their key, paths quoted.

    Raises:
        GanforgeError: for an option that there is not, or several bare words for a command that takes one.
    """
    from ganforge.core.config import quoted
    from ganforge.core.words import readable, split_options

    command = COMMANDS[name]
    options, typed = split_options(words)
    several = "-m" in options or "--multirun" in options
    bare = [word for word in typed if "=" not in word and word[:1] not in ("", "~", "+")] if command.positional else []
    if len(bare) > 1 and not command.several:
        raise GanforgeError(f"'{bare[1]}' is one bare word too many: '{bare[0]}' is the {command.positional} already.")
    others = readable([word for word in typed if word not in bare], several)
    if bare:
        value = ",".join(map(quoted, bare))
        others.append(f"{command.positional}=[{value}]" if command.several else f"{command.positional}={value}")
    return [*options, *others]


def _hydra(name: str, words: list[str]) -> None:
    """Let Hydra parse, compose and launch; its own error printing is switched off, ours is better."""
    import hydra

    from ganforge.core.config import config_folder, register_resolvers
    from ganforge.core.task import HydraTask
    from ganforge.core.workarounds import command_line, errors_of_hydra

    register_resolvers()
    command = COMMANDS[name]
    task = HydraTask(command.task, [sys.argv[0], name], words)
    with command_line(sys.argv[0], *words), errors_of_hydra():
        hydra.main(version_base="1.3", config_path=str(config_folder()), config_name=command.config)(task)()
    if task.failure is not None:
        raise task.failure


def _complete(arguments: list[str]) -> int:
    """Answer the shell's completion: Hydra completes the words after the command."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    chosen = words[1] if len(words) > 1 else ""
    if arguments[1].startswith("query") and chosen not in COMMANDS:
        print(*COMMANDS)
        return 0
    os.environ["COMP_LINE"] = line.replace(f" {chosen} ", " ", 1)
    name = chosen if chosen in COMMANDS else "train"
    _hydra(name, arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
