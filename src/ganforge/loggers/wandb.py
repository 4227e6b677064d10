"""Weights & Biases, online or offline; its failures end no run."""

import os
import secrets
import socket
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlparse

from lightning_utilities.core.rank_zero import rank_zero_only
from torch import Tensor

from ganforge.core.console import say
from ganforge.core.files import write_text
from ganforge.core.secrets import masked_words
from ganforge.core.workarounds import command_line
from ganforge.loggers.base import RunLogger

if TYPE_CHECKING:
    from wandb import Run

__all__ = ["ID_FILE", "WandbLogger", "choose_mode", "stable_id"]

ID_FILE = "wandb_run_id"

Mode = Literal["auto", "online", "offline", "disabled"]


def choose_mode(timeout_seconds: float = 2.0) -> tuple[Literal["online", "offline"], str]:
    """Return ``online`` if a key is configured and the host answers, else ``offline``; with the reason. Never waits
    long.
    """
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"))
    if not _has_key(host.hostname or ""):
        return "offline", "no API key is configured"
    try:
        address = (host.hostname, host.port or (80 if host.scheme == "http" else 443))
        with socket.create_connection(address, timeout=timeout_seconds):
            return "online", "a key is configured and the host answers"
    except OSError:
        return "offline", f"{host.hostname} does not answer"


def _has_key(host: str) -> bool:
    """Whether wandb finds a key without a prompt."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import netrc

    path = Path(os.environ.get("NETRC", Path.home() / ".netrc")).expanduser()
    try:
        return netrc.netrc(path).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def stable_id(folder: Path) -> str:
    """Return the identifier of the W&B run that belongs to a run's folder, made the first time.

    ``wandb agent`` has chosen one before it starts a run of a W&B sweep; that one counts.
    """
    path = folder / ID_FILE
    chosen = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
    if chosen:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, chosen)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, secrets.token_hex(4))
    return path.read_text().strip()


class WandbLogger(RunLogger):
    """Sends values, pictures and the configuration to Weights & Biases, placed by images seen.

    Whatever goes wrong there is reported once, and training goes on without it.

    Args:
        folder: the run's folder; wandb writes below it, and the run's identifier is kept there, so that a resumed run
            continues the same W&B run.
        project: project's name.
        name: the run's name.
        mode: ``auto`` (see :func:`choose_mode`), ``online``, ``offline``, or ``disabled``: nothing is logged.
        group: of runs, e.g. a sweep.
        job_type: e.g. the variant.
        tags: words to filter runs by.
    """

    def __init__(
        self,
        folder: str,
        *,
        project: str,
        name: str,
        mode: Mode | Literal[""] = "auto",
        group: str | None = None,
        job_type: str | None = None,
        tags: list[str] | None = None,
    ) -> None:
        super().__init__()
        self._settings: dict[str, Any] = {"project": project, "name": name, "group": group, "job_type": job_type}
        self._tags, self._folder, self._mode = tags, Path(folder), mode or "auto"
        self._run: Run | None = None
        self._broken = False
        self._config: dict[str, object] = {}
        self._origin: dict[str, object] | None = None

    @property
    def name(self) -> str:
        """The project's name."""
        return str(self._settings["project"])

    @property
    def version(self) -> str:
        """The run's identifier."""
        return stable_id(self._folder)

    def _guard(self, action: "Callable[[Run], None]") -> None:
        """Do something with the run; report a failure once and never try again."""
        if self._broken or self._mode == "disabled":
            return
        try:
            if self._run is None:
                self._run = self._start()
            action(self._run)
        except Exception as error:  # a dashboard's failure of whatever kind must not end a run
            self._broken = True
            say(
                f"Weights & Biases stopped working ({_first_line(error)}); training goes on, and metrics.csv has "
                f"everything."
            )

    def _start(self) -> "Run":
        import wandb

        mode, reason = (self._mode, "as configured") if self._mode != "auto" else choose_mode()
        with command_line(*masked_words(sys.argv)):  # wandb sends it
            run = wandb.init(
                **self._settings,
                id=self.version,
                tags=self._tags,
                config=self._config if self._origin is None else {**self._config, "begun_from": self._origin},
                dir=str(self._folder),
                mode=mode,
                resume="allow",  # offline it is kept for wandb sync, which would otherwise replace what was sent before
                settings=wandb.Settings(init_timeout=30, console="off", silent=True, x_disable_stats=True),
            )
        run.define_metric("images_seen", hidden=True)
        run.define_metric("*", step_metric="images_seen")
        if mode == "offline":
            # One folder for each start of the run; sent in their order, together or one by one, they are one run.
            say(
                f"W&B runs offline ({reason}): view with 'wandb leet {self._folder / 'wandb'}', "
                f"upload later with 'wandb sync {self._folder / 'wandb' / 'offline-run-*'}'."
            )
        else:
            say(f"W&B: {run.url}")
        return run

    @rank_zero_only
    def log_origin(self, origin: Mapping[str, object]) -> None:
        """Name the run that this one begins from in the run's notes and configuration, with its identifier."""
        linked = f" (W&B run {origin['wandb']})" if origin["wandb"] else ""
        self._settings["notes"] = f"Begun from {origin['run']}, {origin['checkpoint']}{linked}."
        self._origin = dict(origin)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, object] | Namespace, *args: object, **kwargs: object) -> None:
        """Keep the configuration for the run's start."""
        self._config = dict(params) if isinstance(params, dict) else vars(params)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Send values; ``step`` is images seen."""
        self._guard(lambda run: run.log({**metrics, "images_seen": step}))

    @rank_zero_only
    def log_measured(self, values: dict[str, float], images_seen: int, protocol: str) -> None:
        """Send measured values, and the protocol to the run's summary."""

        def send(run: "Run") -> None:
            run.log({**values, "images_seen": images_seen})
            run.summary["protocol"] = protocol

        self._guard(send)

    @rank_zero_only
    def log_picture(self, name: str, picture: Tensor, images_seen: int) -> None:
        """Send a ``(3, H, W)`` uint8 picture; wandb shows float tensors black."""

        def send(run: "Run") -> None:
            import wandb
            from PIL import Image

            pixels = picture.permute(1, 2, 0).contiguous().numpy()
            run.log({name: wandb.Image(Image.fromarray(pixels)), "images_seen": images_seen})

        self._guard(send)

    @rank_zero_only
    def log_alarm(self, title: str, text: str) -> None:
        """Raise an alert, which W&B sends by mail or chat as its user has set it up."""
        self._guard(lambda run: run.alert(title=title, text=text, level="WARN"))

    def state_dict(self) -> dict[str, object]:
        """Return the run's identifier, for checkpoints; nothing where nothing is logged."""
        return {} if self._mode == "disabled" else {"run_id": self.version}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Continue the W&B run of a checkpoint from elsewhere; a folder that has an identifier keeps it."""
        if not (self._folder / ID_FILE).exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            write_text(self._folder / ID_FILE, str(state["run_id"]))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run."""
        if self._run is not None:
            code = 0 if status == "success" else 1
            self._guard(lambda run: run.finish(exit_code=code))
            self._run = None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
