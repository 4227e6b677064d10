"""Export of a trained generator to safetensors, ONNX and torch.export."""

import copy
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganforge.core.errors import GanforgeError
from ganforge.core.files import is_disk_full, read_json, write_text
from ganforge.sampling.checks import one_of, require_module
from ganforge.sampling.marks import MARK
from ganforge.sampling.results import Result
from ganforge.sampling.sampler import Sampler
from ganforge.sampling.seeded import SeededSampler

__all__ = ["Drawing", "Exported", "export"]

_SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch_export": ".pt2"}

#: Most that an exported program's values may differ from torch's.
_TOLERANCE = 1e-4


class Drawing(nn.Module):
    """The exported module: ``(latent) -> samples``, ``(latent, condition) -> samples``, or ``(condition) -> samples``.

    In evaluation mode: samples are clamped to their range (images to [-1, 1]), the noise of a generator with styles is
    the constant one, weights that training computes at each step (spectral normalisation) are plain tensors, and
    buffers of one number are constants.

    Args:
        sampler: of the generator, which is copied.
        psi: truncation of a generator with styles; ``None`` for none.
    """

    def __init__(self, sampler: Sampler, psi: float | None = None) -> None:
        super().__init__()
        self.clamp, self.has_latent = sampler.modality.clamp, sampler.latent is not None
        self.network = copy.deepcopy(sampler.network).cpu().eval().requires_grad_(False)
        self.options: dict[str, object] = {}
        if sampler.has_styles:
            self.options = {"noise": "constant", "truncation": 1.0 if psi is None else psi}
        for module in list(self.network.modules()):
            for name in list(getattr(module, "parametrizations", ())):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
            for name, buffer in list(module.named_buffers(recurse=False)):
                if buffer.ndim == 0 and buffer.is_floating_point():  # ProGAN's level of detail decides what is run
                    delattr(module, name)
                    setattr(module, name, np.float64(buffer.item()))

    def forward(self, first: Tensor, second: Tensor | None = None) -> Tensor:
        """Return ``(n, ...)`` samples from the latent, the condition, or both in this order."""
        latent, condition = (first, second) if self.has_latent else (None, first)
        return self.clamp(self.network(latent, condition, **self.options))


class Exported(Result):
    """A generator that can be saved; what is written is read back and compared before it takes its place.

    Args:
        sampler: whose weights, and whose latents the comparison uses.
        suffix: ``.safetensors``, ``.onnx`` or ``.pt2``.
    """

    def __init__(self, sampler: SeededSampler, suffix: str) -> None:
        if sampler.truncation is not None and not sampler.has_styles:
            raise GanforgeError(
                "truncation confines this run's latents, which the exported generator takes as input: leave "
                "truncation out."
            )
        self.sampler, self.suffix = sampler, suffix

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """See :class:`Result`; beside ``.safetensors`` goes a ``.json`` with its configuration."""
        self._require_own(Path(path).expanduser().with_suffix(".json"))
        path = super().save(path, force=force)
        if self.suffix == ".safetensors":
            write_text(path.with_suffix(".json"), json.dumps(self.description(), indent=2) + "\n")
        return path

    def _require_own(self, beside: Path) -> None:
        """Refuse a JSON file beside the weights that no export has written."""
        if self.suffix != ".safetensors" or not os.path.lexists(beside):
            return
        try:
            is_own = {"generator", "latent", "images_seen"} <= read_json(beside).keys()
        except (OSError, ValueError, AttributeError):
            is_own = False
        if not is_own:
            raise GanforgeError(f"'{beside}' was not written by this mode, and is not replaced: choose another output.")

    def description(self) -> dict[str, object]:
        """Return the network's configuration and inputs, as plain values."""
        return {**self.sampler.origin.description(), "classes": self.sampler.classes}

    def _write(self, path: Path) -> None:
        if self.suffix == ".safetensors":
            self._write_weights(path)
            return
        drawing = Drawing(self.sampler.sampler, self.sampler.truncation)
        drawing(
            *self._inputs(2)
        )  # what a network loads when it is first used, features of another one, is no part of a trace
        read = self._write_program(path, drawing)
        inputs = self._inputs(5)
        difference = (read(inputs) - drawing(*inputs)).abs().max().item()
        if not difference <= _TOLERANCE:
            raise GanforgeError(
                f"The exported generator differs from torch's by {difference:.2g}, more than {_TOLERANCE:g}: use "
                "mode.format=safetensors."
            )
        self.note = f"Differs from torch's images by at most {difference:.1g} of a range of 2."

    def _inputs(self, n: int) -> tuple[Tensor, ...]:
        """Return latents and conditions, those that there are."""
        return tuple(column for column in self.sampler.inputs(n) if column is not None)

    def _names(self) -> list[str]:
        """Return the inputs' names: ``latent``, and ``labels`` or the column that conditions are from."""
        sampler = self.sampler.sampler
        latent = [] if sampler.latent is None else ["latent"]
        if sampler.conditioning is None:
            return latent
        return [*latent, "labels" if sampler.classes is not None else sampler.conditioning.key]

    def _write_weights(self, path: Path) -> None:
        from safetensors.torch import load_file, save_file

        state = {name: value.cpu().contiguous() for name, value in self.sampler.network.state_dict().items()}
        save_file(state, path, {"ganforge": json.dumps(self.description()), "software": MARK.decode()})
        read = load_file(path)
        if read.keys() != state.keys() or not all(
            torch.equal(read[name].nan_to_num(), state[name].nan_to_num()) for name in state
        ):
            raise GanforgeError(f"What was written to '{path}' does not read back as it was: try another disk.")
        self.note = f"{sum(value.numel() for value in state.values()):,} numbers; configuration in the .json beside it."

    def _write_program(self, path: Path, drawing: Drawing) -> Callable[[tuple[Tensor, ...]], Tensor]:
        """Write the program; return a function that runs what was written."""
        try:
            with _quiet():
                if self.suffix == ".onnx":
                    return _write_onnx(path, drawing, self._inputs(2), self._names())
                return _write_torch(path, drawing, self._inputs(2))
        except Exception as error:
            if is_disk_full(error):
                raise
            reason = str(error).strip().partition("\n")[0][:160]
            raise GanforgeError(
                f"{type(self.sampler.network).__name__} cannot be exported to {self.suffix} ({reason}): use "
                "mode.format=safetensors."
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporters' own output and warnings."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _trace(drawing: Drawing, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    """Return the program for any batch size."""
    batch = torch.export.Dim("batch")
    return torch.export.export(drawing, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))


def _write_torch(path: Path, drawing: Drawing, inputs: tuple[Tensor, ...]) -> Callable[[tuple[Tensor, ...]], Tensor]:
    torch.export.save(_trace(drawing, inputs), path)
    program = torch.export.load(path).module()
    return lambda values: program(*values)


def _write_onnx(
    path: Path, drawing: Drawing, inputs: tuple[Tensor, ...], names: list[str]
) -> Callable[[tuple[Tensor, ...]], Tensor]:
    import onnxruntime

    program = torch.onnx.export(
        _trace(drawing, inputs), (), input_names=names, output_names=["images"], dynamo=True, verbose=False
    )
    assert program is not None
    program.model.metadata_props["software"] = MARK.decode()
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(values: tuple[Tensor, ...]) -> Tensor:
        feed = dict(zip(names, (value.numpy() for value in values), strict=True))
        return torch.from_numpy(session.run(None, feed)[0])

    return run


def export(sampler: SeededSampler, format: str = "safetensors") -> Exported:  # noqa: A002 - as on the command line
    """Return the generator, to be saved.

    ``safetensors`` holds the weights and, in its header and in a JSON file beside it, the configuration; ganforge
    builds the network. ``onnx`` and ``torch_export`` (``.pt2``) are programs that run without ganforge.

    Args:
        sampler: whose generator; for programs its truncation is built in where the generator has styles.
        format: ``safetensors``, ``onnx`` or ``torch_export``.

    Raises:
        GanforgeError: for another format, a package that is missing, or a truncation of latents.
    """
    one_of("mode.format", format, tuple(_SUFFIXES))
    if format == "onnx":
        for module in ("onnx", "onnxscript", "onnxruntime"):
            require_module(module, "mode.format=onnx", "onnx")
    return Exported(sampler, _SUFFIXES[format])
