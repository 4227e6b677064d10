"""Fixtures: every test has its own working folder and random state, offline; a process has one cache."""

import os
import random

# Tests' tensors are tiny: a second thread waits more than it works, and much more on a machine that does other things.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

from composing import merge_once
from ganforge import cli
from quick import QUICK

merge_once()

#: Of properties over families of inputs; the same examples everywhere.
settings.register_profile("quick", max_examples=15, deadline=None, derandomize=True, database=None)
settings.register_profile("slow", settings.get_profile("quick"), max_examples=100)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("slow" if config.option.markexpr == "slow" else "quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the slow tests try each property again, with more examples."""
    if config.option.markexpr == "slow":
        for item in items:
            if is_hypothesis_test(getattr(item, "obj", None)):
                item.add_marker(pytest.mark.slow)


pytest_plugins = ["made_up_runs"]


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANFORGE_CACHE", str(session_cache))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path.with_name(f"{tmp_path.name}.config")))
    for name in ("GANFORGE_TRUST", "WANDB_API_KEY", "GANFORGE_DATA", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    import numpy as np
    import torch  # not above: xdist's controller runs no test

    torch.manual_seed(0)  # whatever has run before in this process
    np.random.seed(0)
    random.seed(0)


@pytest.fixture
def train() -> Callable[..., int]:
    """Run ``ganforge train`` on a small network for a few steps and return its exit status."""
    return lambda *overrides: cli.main(["train", *QUICK, *overrides])


@pytest.fixture
def run_folder() -> Callable[[], Path]:
    """Return the only run folder below ``outputs``."""

    def find() -> Path:
        (folder,) = [path.parent for path in Path("outputs").glob("*/*/run.json")]
        return folder

    return find


@pytest.fixture
def make_sampler(tmp_path: Path) -> Callable[..., Any]:
    """Return a function of overrides and of a sampler's options: untrained networks, but their images differ."""
    import torch
    from hydra.utils import instantiate

    from ganforge.core.config import compose
    from ganforge.runs.folder import RunFolder
    from ganforge.runs.restore import Restored

    def make(overrides: list[str], **options: Any) -> Any:
        config = compose(overrides)
        torch.manual_seed(0)
        module, data = instantiate(config.model).eval().requires_grad_(False), instantiate(config.data)
        module.bind(data)
        samplers = module.samplers().values()
        for network in [
            each for sampler in samplers for each in (sampler.network, sampler.average) if each is not None
        ]:
            for layer in network.modules():
                if isinstance(layer, torch.nn.ConvTranspose2d | torch.nn.Linear) and layer.weight.any():
                    layer.weight.mul_(2 * layer.weight[0].numel() ** -0.5 / layer.weight.std())
        run = Restored(RunFolder(tmp_path / "run"), config, module, data, tmp_path / "last.ckpt", 0)
        sampler = run.sampler(device="cpu", **options)
        sampler.run = run
        return sampler

    return make
