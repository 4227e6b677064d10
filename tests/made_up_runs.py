"""Made-up runs: folders as training leaves them, with values that tests choose."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

#: Values of a metric by images seen.
Curve = Sequence[tuple[int, float]]


#: As metrics say; of others neither way is better.
BETTER = {"fid": "less", "kid": "less", "inception_score": "greater", "recall": "greater", "precision": "greater"}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "sweep"


@pytest.fixture
def make_run(sweep: Path) -> Callable[..., Path]:
    """Write a run's folder and return it.

    Args of the function:
        name: of the folder.
        seed, state: of the run.
        metrics: by name, the curve or the last value.
        protocol: of all of them.
        loss: class of the loss, and the option's name.
        settings: more of the configuration, merged at the top.
        status: more of run.json.
    """

    def make(
        name: str,
        seed: int = 0,
        state: str = "finished",
        *,
        protocol: str = "digits_5k@00000000",
        loss: str = "Hinge",
        settings: dict[str, Any] | None = None,
        status: dict[str, Any] | None = None,
        **metrics: float | Curve,
    ) -> Path:
        folder = sweep / name
        (folder / "samples").mkdir(parents=True)
        config = {
            "seed": seed,
            "loss": {"_target_": f"ganforge.losses.adversarial.{loss}"},
            "model": {
                "_target_": "ganforge.models.gan.GAN",
                "loss": {"_target_": f"ganforge.losses.adversarial.{loss}"},
            },
            "data": {"source": {"name": "MNIST"}, "seed": seed},
            **(settings or {}),
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        choices = {"model": "dcgan", "loss": loss.lower(), "logger": "csv"}
        short = {metric.rpartition("/")[2] for metric in metrics}
        better = {
            name: BETTER.get(name) for name in short if not name.endswith(("_std", "_error", "_low", "_high", "_class"))
        }
        record = {"state": state, "choices": choices, "settings": config, "better": better, **(status or {})}
        (folder / "run.json").write_text(json.dumps(record))
        rows = ["images_seen,seconds,name,value,protocol"]
        rows += [f"{seen},{seen / 100},generator/adversarial,{1 + 0.1 * seed}," for seen in (1000, 2000)]
        rows += [f"{seen},{seen / 100},speed/images_per_second,{100 + seed}," for seen in (1000, 2000)]
        for metric, values in metrics.items():
            curve = [(2000, values)] if isinstance(values, int | float) else values
            rows += [f"{seen},{seen / 100},metrics/{metric},{value},{protocol}" for seen, value in curve]
        (folder / "metrics.csv").write_bytes(("\r\n".join(rows) + "\r\n").encode())
        for picture in ("000002000.png", "latest.png"):
            Image.new("RGB", (68, 68), (10 * seed, 90, 160)).save(folder / "samples" / picture)
        return folder

    return make


@pytest.fixture
def two_variants(make_run: Callable[..., Path], sweep: Path) -> Path:
    """Three seeds of two losses: the hinge loss's FID is lower by about 10 with every seed."""
    for seed, (low, high) in enumerate(((10.0, 20.5), (13.0, 23.0), (9.0, 18.5))):
        make_run(f"h{seed}", seed, loss="Hinge", fid=[(1000, low + 5), (2000, low)], inception_score=2.0 + seed / 10)
        make_run(f"w{seed}", seed, loss="Wasserstein", fid=[(1000, high - 1), (2000, high)], inception_score=1.5)
    return sweep
